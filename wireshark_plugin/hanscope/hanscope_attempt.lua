-- One attempt to load one image: what is noted while it runs, and what it comes to. The rules are those of
-- `hanscope analyze` (analyzers/attempts.py).

local course = ...

local M = {}

local min, max = math.min, math.max

M.SAME_MESSAGE_S = 10 -- so long a message can be heard again (retries, relays)
local MAGIC = "\030\241\238\011"
local NOWHERE = 4294967296
local ENDS = { [0x00] = "ended", [0x95] = "aborted", [0x96] = "rejected", [0x99] = "more-needed" }

-- Kinds of messages; their order lets one comparison choose: requests up to PAGE, what is new up to BLOCK, all blocks
-- up to BLOCK_AGAIN.
local REQUEST, PAGE, BLOCK, BLOCK_AGAIN, BAD_BLOCK, REPEATED, WAIT, WAIT_AGAIN, CONTROL = 1, 2, 3, 4, 5, 6, 7, 8, 9
M.KINDS = {
    REQUEST = REQUEST,
    PAGE = PAGE,
    BLOCK = BLOCK,
    BLOCK_AGAIN = BLOCK_AGAIN,
    BAD_BLOCK = BAD_BLOCK,
    REPEATED = REPEATED,
    WAIT = WAIT,
    WAIT_AGAIN = WAIT_AGAIN,
    CONTROL = CONTROL,
}

-- What is told of a message beside numbers: bits.
local FLAGS = {
    COPY = 1,
    AGAIN = 2,
    BACK = 4,
    SKIPS = 8,
    CONFLICT = 16,
    WAITS = 32,
    WRONG_OFFSET = 64,
    BEGINS = 128,
    COMPLETES = 256,
    BAD = 512,
    EARLY = 1024,
    RESUMES = 2048,
    OVERSIZE = 4096,
    BEYOND = 8192,
    OTHER_SEQUENCE = 16384,
    INCOMPLETE = 32768,
    SHORT = 65536,
    MORE = 131072, -- the highest one: the message tells more than is kept of it
}
M.FLAGS = FLAGS

local Attempt = {}
Attempt.__index = Attempt

-- Which message it was: of all that came, at which time, in which frame.
function M.sign_of(m)
    return { row = m.row, time = m.time, frame = m.frame }
end

-- The attempt has come as far as this message.
function Attempt:reached(m)
    local last = self.last
    if last.row < m.row then
        last.row, last.time, last.frame = m.row, m.time, m.frame
    end
end

-- Note a message that belongs to the attempt.
function Attempt:tell(m)
    if m.row < self.first.row then
        self.first = M.sign_of(m)
    end
    self:reached(m)
end

-- The size of the image, from the offer or from octets 52 to 55 of an OTA header; nothing if neither is known.
local function image_size(self)
    if self.size then
        return self.size, "query response"
    end
    if self.header_size == nil and self.image.first[1] == 0 and self.image.octets >= 56 then
        local header = self.image:read(0, 56)
        if header then -- what is there of an image stays as it is
            local a, b, c, d = header:byte(53, 56)
            self.header_size = header:sub(1, 4) == MAGIC and a + b * 256 + c * 65536 + d * 16777216
        end
    end
    if self.header_size then
        return self.header_size, "OTA header"
    end
    return nil, "unknown"
end
Attempt.image_size = image_size

function Attempt:is_complete()
    local size = image_size(self)
    return size ~= nil and size > 0 and self.image.octets >= size and self.image:within(size) == size
end

-- Octets of the image that are there; blocks beyond its end do not count.
function Attempt:received()
    local size, image = self.size or image_size(self), self.image
    if not size or image:reach() <= size then
        return image.octets
    end
    return image:within(size)
end

-- How far a client has come that reports success: to the image's end, or to where it shortened its last request.
function Attempt:end_of_file(size)
    local stop = self.last_stop
    if stop <= 0 or stop >= size then
        return size
    end
    return self.last_length < self.longest[self.last_is_page] and stop or size
end

-- What is missing: a list of {start, stop, reason}.
function Attempt:missing()
    local size = self:image_size() or max(self.image:reach(), self.highest_asked)
    local gaps = self.image:gaps(min(size, self.image.limit))
    if #gaps == 0 then
        return gaps
    end
    local way = self.course
    if self.proven and self.page_requests == 0 and not self.same_sequence then
        way = self.proven
    end
    if self.succeeded then
        way = way:copy()
        way:ask(self:end_of_file(size), self:end_of_file(size))
    end
    return way:reasons(gaps, self.floor)
end

-- Where the attempt stands; `ended`: time of the last frame, `stalled_s`: a silence so long is a stall.
function Attempt:state(ended, stalled_s)
    if self.aborted then
        return "aborted"
    elseif self.upgrade then
        return self.upgrade
    elseif self.end_status then
        return ENDS[self.end_status] or "aborted"
    elseif self.declined then
        return "refused"
    elseif self.offered and not self.begun then
        return "offered"
    elseif self.superseded then
        return "superseded"
    end
    local size = self:image_size()
    if size and size > 0 then
        local all_there = true
        for _, gap in ipairs(self:missing()) do
            all_there = all_there and gap[3] == "answered but not captured"
        end
        if all_there then
            return "downloaded"
        end
    end
    local silent = ended - self.last.time > stalled_s and ended > self.wait_until
    return silent and "stalled" or "downloading"
end

-- Whether what is no request moves an attempt on as one does: a block that proves a request which was not heard. Once a
-- page was asked for, whose blocks come without requests, only one that lies where the image begins does.
local function is_step(attempt, m)
    return m.kind == BLOCK
        and m.offset ~= attempt.asked_last
        and m.sequence ~= attempt.asked_sequence
        and m.sequence ~= attempt.block_sequence
        and (attempt.page_requests == 0 or m.offset <= attempt.step_low)
end

-- Whether a block comes soon after the end and was asked for before it: the server had not heard that it arrived.
local function is_late(attempt, m)
    return m.kind == BLOCK
        and m.offset + m.length <= attempt.edge
        and m.time - attempt.moved <= M.SAME_MESSAGE_S
end

-- Whether a message begins a new attempt.
function Attempt:begins_anew(m, silence_s)
    local kind = m.kind
    if kind <= PAGE or is_step(self, m) then
        if self.over and (self.finished or m.offset <= self.floor) and not is_late(self, m) then
            return true
        end
        if m.offset <= self.step_low and self.step_high >= m.offset + max(m.length, 1) then
            local begun = self.begun or m
            local begun_sequence = self.begun and self.begun_sequence or m.sequence
            if m.sequence ~= begun_sequence or m.time - begun.time > M.SAME_MESSAGE_S then
                return true
            end
        end
    end
    if kind > BLOCK or not self.begun or m.time - self.moved <= silence_s then
        return false
    end
    return m.offset + m.length > self.edge or m.offset < self.floor
end

local function move(self, m, pause_s)
    if not self.begun then
        self.begun, self.begun_sequence = M.sign_of(m), m.sequence
        self.moved, self.queried = m.time, false
        m.flags = m.flags + FLAGS.BEGINS
    end
    local time = m.time
    if self.queried or time - self.moved > pause_s and time - self.wait_until > pause_s then
        m.flags = m.flags + FLAGS.RESUMES
        self.resumptions = self.resumptions + 1
    end
    self.moved, self.queried = time, false
end

-- The client asked for octets [offset, stop), which the image has: a block or a page of them.
local function ask(self, offset, stop, page)
    local length = stop - offset
    self.course:ask(offset, stop)
    if self.proven then
        self.proven:ask(offset, stop)
    end
    if stop >= self.last_stop then
        self.last_stop, self.last_length, self.last_is_page = stop, length, page
    end
    if length > self.longest[page] then
        self.longest[page] = length
    end
end

-- Octets [offset, stop) were asked for or delivered.
local function widen(self, offset, stop)
    if offset < self.floor then
        self.floor = offset
    end
    if stop > self.edge then
        self.edge = stop
    end
end

-- The client has come to `offset` and asked for what ends at `stop`; for all from `first` on, if it went on in order.
local function reach(self, first, offset, stop, sequence)
    if offset > self.highest_asked and offset < self.image.limit then
        self.highest_asked = offset
    end
    self.was_asked:ask(first, max(stop, offset + 1))
    widen(self, offset, stop)
    self.asked_last, self.asked_sequence, self.expected = offset, sequence, offset
end

local function take_request(self, m)
    local page = m.kind == PAGE
    local offset, expected = m.offset, self.expected
    local stop = offset + m.length
    if page then
        self.page_requests = self.page_requests + 1
    else
        self.block_requests = self.block_requests + 1
    end
    if expected then
        m.expected = expected
        if offset == self.asked_last and not page then
            m.flags = m.flags + FLAGS.AGAIN
        elseif offset > expected then
            m.flags = m.flags + FLAGS.SKIPS
        elseif offset < expected then
            m.flags = m.flags + FLAGS.BACK
        end
    end
    if self.wait_from and m.time < self.wait_until then
        m.flags = m.flags + FLAGS.WAITS
        if m.time < self.wait_until - max(1, (self.wait_until - self.wait_from) * 0.05) then
            m.flags = m.flags + FLAGS.EARLY
        end
    end
    local size = self.size or image_size(self)
    if size and offset >= size then
        m.flags = m.flags + FLAGS.BEYOND
    elseif size or offset < self.image.limit then
        ask(self, offset, stop, page)
    end
    reach(self, offset, offset, stop, m.sequence)
    if self.over then -- it goes on although it had ended
        self.over, self.aborted, self.finished = false, false, false
        self.end_status, self.upgrade, self.upgrade_at = nil, nil, nil
    end
end

-- A block that nobody was heard to ask for also proves how far the client had come; an answer to the last request does
-- not, wherever it lies.
local function take_new_block(self, m)
    local offset, stop, asked = m.offset, m.offset + m.length, self.asked_last
    self.block_responses = self.block_responses + 1
    if m.sequence == self.block_sequence and offset ~= self.block_offset then
        self.same_sequence = true
    end
    if offset ~= asked and m.sequence ~= self.asked_sequence and not self.was_asked:has(offset) then
        self.proven = self.proven or self.course:copy()
        self.proven:ask(offset, offset)
    end
    m.expected = self.expected
    if self.block_offset and offset < self.block_offset then
        m.flags = m.flags + FLAGS.BACK
    end
    self.block_sequence, self.block_offset = m.sequence, offset
    if offset >= (asked or 0) and stop > (self.expected or 0) then -- else the server repeats itself
        self.expected = stop
    end
end

local function take_block(self, m)
    local fresh, offset, data = m.kind == BLOCK, m.offset, m.data
    local stop = offset + m.length
    if fresh then
        take_new_block(self, m)
    end
    widen(self, offset, stop)
    if #data > m.length then
        data = data:sub(1, m.length)
    end
    local new, different = self.image:put(offset, data)
    if different > 0 then
        m.flags = m.flags + FLAGS.CONFLICT
        m.conflicting = different
    elseif new == 0 and fresh then
        m.flags = m.flags + FLAGS.AGAIN
    end
    local size = self.size or image_size(self)
    if size and stop > size then
        m.flags = m.flags + FLAGS.BEYOND
    end
    if new > 0 and not self.complete and self:is_complete() then
        self.complete = true
        m.flags = m.flags + FLAGS.COMPLETES
    end
    if self.hashes and (new > 0 or different > 0) then
        self.hashes = nil
    end
end

function Attempt:take(m, pause_s)
    local kind = m.kind
    local step, last = kind <= PAGE or is_step(self, m), self.last
    last.row, last.time, last.frame = m.row, m.time, m.frame
    if kind <= BLOCK_AGAIN then
        move(self, m, pause_s)
    end
    if step then
        local offset = m.offset
        if offset < self.step_low then
            self.step_low = offset
        end
        if offset > self.step_high then
            self.step_high = offset
        end
    end
    if kind == WAIT then
        self.waits = self.waits + 1
        self.wait_until = max(self.wait_until, m.time + m.wait)
        self.wait_from = m.time
        m.flags = m.flags + FLAGS.WAITS
    elseif kind == BAD_BLOCK then
        self.bad_blocks = self.bad_blocks + 1
        m.flags = m.flags + FLAGS.BAD
    elseif kind <= PAGE then
        take_request(self, m)
    elseif kind <= BLOCK_AGAIN then
        take_block(self, m)
    end
end

-- Takes in at once what a flow (hanscope_tracker) came to: requests and blocks that were all as expected.
function Attempt:catch_up(flow)
    local last, request = self.last, flow.asked
    last.row, last.time, last.frame, self.moved = flow.row, flow.time, flow.frame, flow.moved
    if flow.requests > 0 then
        local offset = request.offset
        local stop = offset + request.size
        self.block_requests = self.block_requests + flow.requests
        self.step_high = max(self.step_high, offset)
        ask(self, offset, stop, false)
        reach(self, flow.first, offset, stop, request.sequence)
    end
    if flow.blocks > 0 then
        self.block_responses = self.block_responses + flow.blocks
        self.block_sequence, self.block_offset = flow.block_sequence, flow.block_offset
    end
    self.expected = flow.next or self.expected
end

-- Ranges that were asked for, joined: those of a client that goes through a file are one.

local Ranges = {}
Ranges.__index = Ranges

function Ranges:find(offset)
    local low, high = 1, #self + 1
    while low < high do
        local middle = (low + high - (low + high) % 2) / 2
        if self[middle][2] > offset then
            high = middle
        else
            low = middle + 1
        end
    end
    return low
end

function Ranges:has(offset)
    local range = self[self:find(offset)]
    return range ~= nil and range[1] <= offset
end

function Ranges:ask(offset, stop)
    local last = self[#self]
    if last and last[1] <= offset and offset <= last[2] then
        last[2] = max(last[2], stop)
        return
    end
    local i = self:find(offset - 1)
    if self[i] and self[i][1] <= stop then
        self[i][1] = min(self[i][1], offset)
        self[i][2] = max(self[i][2], stop)
        while self[i + 1] and self[i + 1][1] <= self[i][2] do
            self[i][2] = max(self[i][2], self[i + 1][2])
            table.remove(self, i + 1)
        end
    else
        table.insert(self, i, { offset, stop })
    end
end

-- An attempt of the parties of a dialogue; `what`: manufacturer, image type and version, `image`: where its octets go.
function M.new(dialogue, what, sign, image)
    return setmetatable({
        client = dialogue.client,
        server = dialogue.server,
        manufacturer = what.manufacturer,
        image_type = what.image_type,
        version = what.version,
        image = image,
        first = M.sign_of(sign),
        last = M.sign_of(sign),
        course = course.new(),
        was_asked = setmetatable({}, Ranges),
        longest = { [true] = 0, [false] = 0 }, -- requests of pages, and of blocks
        highest_asked = 0,
        last_stop = -1, -- of the last request that reached as far as any before it
        step_low = NOWHERE,
        step_high = -1,
        floor = NOWHERE, -- the lowest offset asked for or delivered
        edge = 0, -- the highest end of what was asked for or delivered
        moved = 0, -- time of the last request or block
        block_requests = 0,
        page_requests = 0,
        block_responses = 0,
        bad_blocks = 0,
        resumptions = 0,
        waits = 0,
        wait_until = 0,
    }, Attempt)
end

return M
