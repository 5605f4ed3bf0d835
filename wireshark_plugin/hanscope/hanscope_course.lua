-- Why octets of an image are missing: what a client asked for tells how far it had come (ZCL 11.13.8: a client asks for
-- the next block when it has the one before).
--
--   the last request that covers a missing octet    after it (or at all)                  reason
--   any or none                                     it lies below all that was asked for  never requested
--   any or none                                     something beyond it was asked for     answered but not captured
--   there is one                                    nothing beyond it                     requested and never answered
--   none                                            nothing beyond it                     never requested
--
-- The state of all octets is a list of edges, each with the state of what follows it: a request rewrites everything up
-- to its end, so a client that goes through a file in order needs three of them.

local M = {}

local NEVER, PENDING, WENT_ON = 0, 1, 2
M.REASONS = { [NEVER] = "never requested", "requested and never answered", "answered but not captured" }

local Course = {}
Course.__index = Course

function M.new()
    return setmetatable({ edges = { 0 }, states = { NEVER } }, Course)
end

-- The client asked for octets [offset, stop); an empty range only proves that it had come so far.
function Course:ask(offset, stop)
    local old_edges, old_states = self.edges, self.states
    if #old_edges == 3 and old_states[2] == PENDING and 0 < offset and offset < stop and old_edges[3] <= stop then
        old_edges[2], old_edges[3] = offset, stop -- the usual way: on to the next block
        return
    end
    local edges, states = {}, {}
    local function add(edge, state)
        if states[#states] ~= state then
            edges[#edges + 1], states[#states + 1] = edge, state
        end
    end
    if offset > 0 then
        add(0, WENT_ON)
    end
    if stop > offset then
        add(offset, PENDING)
    end
    local beyond = math.max(stop, offset)
    for i = 1, #old_edges do
        if (old_edges[i + 1] or math.huge) > beyond then
            add(math.max(old_edges[i], beyond), old_states[i])
        end
    end
    self.edges, self.states = edges, states
end

function Course:copy()
    local other = M.new()
    for i = 1, #self.edges do
        other.edges[i], other.states[i] = self.edges[i], self.states[i]
    end
    return other
end

-- The gaps ({start, stop} each, ascending) with their reasons: a list of {start, stop, reason}. Nothing below `floor`
-- was ever asked for.
function Course:reasons(gaps, floor)
    local found = {}
    local function add(first, stop, state)
        local last = found[#found]
        if first >= stop then
            return
        elseif last and last[3] == M.REASONS[state] and last[2] == first then
            last[2] = stop
        else
            found[#found + 1] = { first, stop, M.REASONS[state] }
        end
    end
    local i = 1
    for _, gap in ipairs(gaps) do
        local at, stop = gap[1], gap[2]
        add(at, math.min(floor, stop), NEVER)
        at = math.max(at, floor)
        while at < stop do
            while (self.edges[i + 1] or math.huge) <= at do
                i = i + 1
            end
            local here = math.min(self.edges[i + 1] or math.huge, stop)
            add(at, here, self.states[i])
            at = here
        end
    end
    return found
end

return M
