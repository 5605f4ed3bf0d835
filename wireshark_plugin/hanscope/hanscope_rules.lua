-- The rules of hanscope (`hanscope rules` explains each) that can be judged inside Wireshark, frame by frame.
--
-- Wireshark does not tell what the sniffer missed. So what may as well be that (a request that skips a block) is a note
-- here; `hanscope analyze` weighs the evidence of the whole capture.

local tracker, ota = ...

local M = {}

local NOTIFY, QUERY, OFFER, REQUEST, PAGE, BLOCK, END, END_ANSWER = 0, 1, 2, 3, 4, 5, 6, 7

M.ALL = {} -- all rules, by id

local function rule(id, severity, text)
    local one = M.ALL[id] or { id = id, severity = severity, text = text }
    M.ALL[id] = one
    return one
end

-- Rules that follow from what the tracker found: command, what it found, rule.
local FOUND = {
    { BLOCK, "CONFLICT", rule("ota.block.conflict", "error",
        "Octets of this block differ from those that were delivered before") },
    { BLOCK, "WRONG_OFFSET", rule("ota.block.offset-mismatch", "error",
        "The block begins at another offset than was asked for") },
    { BLOCK, "OVERSIZE", rule("ota.block.too-long", "error", "The block is longer than asked for") },
    { BLOCK, "BAD", rule("ota.block.data-length", "error", "The block has fewer octets than it says, or none") },
    { BLOCK, "BEYOND", rule("ota.block.beyond-end", "error", "The block reaches behind the end of the image") },
    { BLOCK, "OTHER_SEQUENCE", rule("ota.block.sequence", "note",
        "No request with this sequence number was heard; the block fits one with another") },
    { OFFER, "OTHER_SEQUENCE", rule("ota.offer.sequence", "note",
        "No query with this sequence number was heard; the answer fits one with another") },
    { REQUEST, "BEYOND", rule("ota.block.request-beyond-end", "error", "Asks for octets behind the end of the image") },
    { REQUEST, "EARLY", rule("ota.wait.ignored", "error", "Asks again although WAIT_FOR_DATA told it to wait longer") },
    { REQUEST, "SHORT", rule("ota.block.request-length", "warning",
        "The field control promises fields that are not there") },
    { QUERY, "SHORT", rule("ota.query.length", "error", "The field control promises fields that are not there") },
    { REQUEST, "SKIPS", rule("ota.block.skipped", "note",
        "Skips octets: the sniffer missed frames, or the client left them out") },
    { PAGE, "SKIPS", rule("ota.page.skipped", "note",
        "Skips octets: the sniffer missed frames, or the client left them out") },
    { REQUEST, "AGAIN", rule("ota.block.repeated", "note", "The block is asked for again") },
    { END, "INCOMPLETE", rule("ota.end.too-early", "note",
        "Reports success; not all of the image is in this capture") },
}

local BAD_STATUS = rule("ota.block.status", "error", "A status that an Image Block Response must not have")
local BAD_TIMES = rule("ota.wait.times", "error", "The time to ask again lies before the current time")
local NO_PERIOD = rule("ota.wait.length", "note", "WAIT_FOR_DATA without a minimum block period")
local ABORTED = rule("ota.session.server-aborted", "warning", "The server aborts the download")
local NO_SIZE = rule("ota.block.size-zero", "error", "Asks for a block of no octets")
local BAD_OFFER = rule("ota.offer.status", "error", "A status that a Query Next Image Response must not have")
local BAD_JITTER = rule("ota.notify.jitter", "warning", "The query jitter is not between 1 and 100")
local BAD_END = rule("ota.end.status", "error", "A status that an Upgrade End Request must not have")
local END_TIMES = rule("ota.end.times", "warning", "The time of the upgrade lies before the current time")
local ENDS = {
    [0x95] = rule("ota.end.aborted", "warning", "The client gives the download up"),
    [0x96] = rule("ota.end.rejected", "warning", "The client rejects the image"),
    [0x99] = rule("ota.end.more-needed", "note", "The client needs another image first"),
}
local LENGTHS = {
    [NOTIFY] = rule("ota.notify.length", "error", "The command is shorter than its form"),
    [QUERY] = rule("ota.query.length", "error", ""),
    [OFFER] = rule("ota.offer.length", "error", "The command is shorter than its form"),
    [REQUEST] = rule("ota.block.request-length", "warning", ""),
    [PAGE] = rule("ota.page.request", "error", "The command is shorter than its form"),
}

M.RECEIPT_HASH = rule("gbcs.firmware.receipt-hash", "error",
    "This hash is not that of the Manufacturer Image that the device received")
M.ORDER_HASH = rule("gbcs.firmware.order-hash", "warning",
    "This hash is not that of the Manufacturer Image that the device received")
M.REFUSED = rule("gbcs.firmware.refused", "warning", "The device says that the image failed its verification")
M.NOT_ACTIVATED = rule("gbcs.firmware.activation-failed", "warning", "The firmware was not activated")
M.FORM = rule("gbcs.payload.form", "error", "The payload has not the form of its message code")

-- No rules, but worth a word.
M.SAME_HASH = { id = "gbcs.same-hash", severity = "chat", is_news = true,
    text = "This is the hash of the Manufacturer Image that the device received" }
M.MALFORMED = { id = "ota.malformed", severity = "error", is_news = true,
    text = "The command is shorter than its form" }

local of_flags = {}

-- The rules that the flags of a message break.
function M.broken(flags, command)
    local key = flags * 512 + command
    local found = of_flags[key]
    if not found then
        found = {}
        for _, one in ipairs(FOUND) do
            local bit = tracker[one[2]]
            if one[1] == command and flags % (2 * bit) >= bit then
                found[#found + 1] = one[3]
            end
        end
        of_flags[key] = found
    end
    return found
end

-- The rule that a message breaks by itself, if it does.
function M.of_message(m)
    local command, status = m.command, m.status
    if command == REQUEST or command == PAGE then
        return m.size == 0 and NO_SIZE or nil
    elseif command == BLOCK then
        if status == ota.WAIT_FOR_DATA then
            local late = m.current_time > 0 and m.request_time < m.current_time
            return late and BAD_TIMES or not m.period and NO_PERIOD or nil
        end
        return status == ota.ABORT and ABORTED or status ~= ota.SUCCESS and BAD_STATUS or nil
    elseif command == OFFER then
        return status ~= 0x00 and status ~= 0x98 and status ~= 0x7e and BAD_OFFER or nil
    elseif command == NOTIFY then
        return (m.jitter < 1 or m.jitter > 100) and BAD_JITTER or nil
    elseif command == END then
        return status ~= 0x00 and (ENDS[status] or BAD_END) or nil
    elseif command == END_ANSWER then
        local forever = m.request_time == 0xffffffff or m.request_time == 0
        return not forever and m.current_time > 0 and m.request_time < m.current_time and END_TIMES or nil
    end
    return nil
end

-- What a message breaks that is too short to be read.
function M.of_malformed(m)
    return LENGTHS[m.command] or M.MALFORMED
end

return M
