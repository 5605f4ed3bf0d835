-- Firmware transfers: what the OTA Upgrade commands of a capture come to, message by message.
--
-- The rules are those of `hanscope analyze` (analyzers/transfers.py tells them in full): an attempt is one client, one
-- server, one PAN and one image, from the first sign to the end, a restart or a silence. A message that was heard
-- several times counts once. Messages have to come in capture order, each once; a message is a table made by
-- hanscope_ota, with frame, time (seconds), pan, source and destination (NWK), source_eui64 and destination_eui64 (or
-- nil; or for these five `link`, which the tracker found before), source_endpoint, destination_endpoint, counter (APS;
-- or nil) and nwk_sequence.

local ota, store, attempts = ...

if not attempts then
    return -- Wireshark loads every file of the folder; this one works for hanscope.lua
end

local M = {}

local min, max, format = math.min, math.max, string.format
local sign_of = attempts.sign_of

local SAME_MESSAGE_S, SAME_MESSAGE_ROWS = attempts.SAME_MESSAGE_S, 4096
local DEFAULT_RESPONSE, SUCCESS, WAIT_FOR_DATA = ota.DEFAULT_RESPONSE, ota.SUCCESS, ota.WAIT_FOR_DATA
local FIRST_BROADCAST = 0xfff8
local PRELUDE_KEPT, PRELUDE_S = 16, 600
local LONGEST_WAIT_S = 86400
local REQUESTS_KEPT = 16
local LINKS_KEPT, HOPS_KEPT = 65536, 4096
local LONGEST_ANSWER_S = 60 -- an answer that comes later is not taken for one
local BY_SERVER = { [0] = true, [2] = true, [5] = true, [7] = true, [9] = true }
-- Server's answer to each request of the client.
local ANSWERS = { [0x02] = 0x01, [0x05] = 0x03, [0x07] = 0x06, [0x09] = 0x08 }

local KINDS = attempts.KINDS
local REQUEST, PAGE, BLOCK = KINDS.REQUEST, KINDS.PAGE, KINDS.BLOCK
local BLOCK_AGAIN, BAD_BLOCK = KINDS.BLOCK_AGAIN, KINDS.BAD_BLOCK
local REPEATED, WAIT, WAIT_AGAIN, CONTROL = KINDS.REPEATED, KINDS.WAIT, KINDS.WAIT_AGAIN, KINDS.CONTROL

local COPY, OTHER_SEQUENCE, OVERSIZE = attempts.FLAGS.COPY, attempts.FLAGS.OTHER_SEQUENCE, attempts.FLAGS.OVERSIZE
for name, bit in pairs(attempts.FLAGS) do
    M[name] = bit
end

local function keep(list, sign)
    list[#list + 1] = { row = sign.row, time = sign.time, frame = sign.frame }
    if #list > PRELUDE_KEPT then
        table.remove(list, 1)
    end
end

-- What was heard, so long as it may be heard again: a ring of numbers, which takes less memory than a table for each
-- message. That of a row is in slot row % size + 1.
local RING = { "messages", "contents", "frames", "times", "olders" }

-- Makes a ring twice as large, whose last message is that of a row.
local function double(ring, row)
    local size = ring.size
    for _, name in ipairs(RING) do
        local old, new = ring[name], {}
        for slot = 1, 2 * size do
            new[slot] = false -- so that all have their places
        end
        for i = max(row - size, 0) + 1, row do
            new[i % (2 * size) + 1] = old[i % size + 1]
        end
        ring[name] = new
    end
    ring.size = 2 * size
    return ring
end

local Tracker = {}
Tracker.__index = Tracker

-- `silence_s`: after so long an attempt only goes on where it had stopped. `pause_s`: after so long its going on is
-- a resumption. `image_limit`: octets at or beyond this offset are not taken in. `attempts_limit`: no more are told
-- apart.
function M.new(options)
    options = options or {}
    return setmetatable({
        backend = store.backend(options.in_memory),
        silence_s = options.silence_s or 3600,
        pause_s = options.pause_s or 60,
        stalled_s = options.stalled_s or 60,
        image_limit = options.image_limit or 67108864,
        attempts_limit = options.attempts_limit or 4096,
        attempts = {},
        refused = { attempts = 0, unattributed = 0 },
        rows = 0,
        heard = double({ size = 32 }, 0),
        links = {}, -- what was heard from one address to another, and who they are
        links_count = 0,
        hops = {}, -- the same links, by what the headers of a frame have alike
        hops_count = 0,
        dialogues = {},
        dialogue_list = {},
        by_eui64 = {},
        by_short = {},
        eui64s = {},
        ended = 0,
    }, Tracker)
end

function Tracker:close()
    self.backend:close()
end

-- The frame in which the same message was heard before, of those with these two addresses. `last`: the row of the last
-- one that was heard of them with each counter, from which `olders` leads to those before it.
local function heard_before(ring, m, row, last)
    local time, sequence, counter = m.time, m.sequence, m.counter
    local message = ((counter or m.nwk_sequence + 256) * 256 + sequence) * 512 + m.command
    message = (message * 256 + (m.source_endpoint or 0)) * 256 + (m.destination_endpoint or 0)
    if m.answered then
        message = message + m.answered * 4398046511104
    end
    local content = ((m.offset or -1) * 512 + (m.size or 256)) * 512 + (m.status or 256)
    local size, times = ring.size, ring.times
    local slot = row % size + 1
    local oldest = times[slot]
    if oldest and time - oldest <= SAME_MESSAGE_S and size <= SAME_MESSAGE_ROWS then
        double(ring, row - 1)
        size, times = ring.size, ring.times
        slot = row % size + 1
    end
    local messages, olders, frame = ring.messages, ring.olders, nil
    counter = counter or sequence
    local older = last[counter]
    local before = older
    while before and row - before < size do
        local there = before % size + 1
        if messages[there] == message then
            local again = ring.contents[there] == content
                and time - times[there] <= SAME_MESSAGE_S
                and row - before <= SAME_MESSAGE_ROWS
            frame = again and ring.frames[there] or nil
            break
        end
        before = olders[there]
    end
    messages[slot], ring.contents[slot], ring.frames[slot] = message, content, frame or m.frame
    times[slot], olders[slot], last[counter] = time, older, row
    return frame
end

local function place(pan, short)
    return (pan or -1) * 65536 + short
end

-- The EUI-64 at a place: as told now, or last.
local function learn(self, key, told)
    local known = self.eui64s[key]
    if not told or told == known then
        return known
    end
    self.eui64s[key], self.hops, self.hops_count = told, {}, 0
    return told
end

-- The EUI-64 of a short address: as told now, or last.
function Tracker:eui64_of(pan, short, told)
    return learn(self, place(pan, short), told)
end

function Tracker:device(pan, short, eui64)
    local key = place(pan, short)
    if not eui64 then
        local device = self.by_short[key]
        if not device then
            device = { pan = pan, short = short }
            self.by_short[key] = device
        end
        return device
    end
    local long = (pan or -1) .. eui64
    local device = self.by_eui64[long]
    if not device then
        device = self.by_short[key] or { pan = pan, short = short }
        self.by_short[key] = nil
        device.eui64 = eui64
        self.by_eui64[long] = device
    end
    device.short = short
    return device
end

function Tracker:dialogue(client, server)
    local talks = self.dialogues[client]
    if not talks then
        talks = {}
        self.dialogues[client] = talks
    end
    local dialogue = talks[server]
    if not dialogue then
        if #self.dialogue_list >= self.attempts_limit then
            self.refused.attempts = self.refused.attempts + 1
            return nil
        end
        dialogue = {
            client = client,
            server = server,
            tracks = {}, -- all attempts at one image, by its name
            prelude = {}, -- notifies, queries and refusals that an attempt may still follow
            refusals = {},
            requests = {}, -- the last ones, in a ring
            request = 0,
        }
        talks[server] = dialogue
        self.dialogue_list[#self.dialogue_list + 1] = dialogue
    end
    return dialogue
end

-- Who is client and who server follows from the command, not from the direction bit, which some devices get wrong.
local function speaks_as_server(m)
    local command = m.command
    if command == DEFAULT_RESPONSE then
        return m.answered <= 9 and not BY_SERVER[m.answered]
    end
    return BY_SERVER[command] or false
end

local function kind_of(m)
    local command = m.command
    if m.destination >= FIRST_BROADCAST and command ~= 0x07 then
        return nil
    elseif command == 0x03 then
        return REQUEST
    elseif command == 0x04 then
        return PAGE
    elseif command == DEFAULT_RESPONSE then
        return m.answered <= 9 and m.status ~= SUCCESS and CONTROL or nil
    elseif command ~= 0x05 then
        return CONTROL
    elseif m.status == WAIT_FOR_DATA then
        return WAIT
    elseif m.status ~= SUCCESS then
        return CONTROL
    end
    return (m.size == 0 or #m.data < m.size) and BAD_BLOCK or BLOCK
end

local AGAIN = {
    [REQUEST] = REPEATED,
    [PAGE] = REPEATED,
    [BAD_BLOCK] = REPEATED,
    [BLOCK] = BLOCK_AGAIN,
    [WAIT] = WAIT_AGAIN,
}

-- What is known of messages between two addresses.
local function link_of(self, m)
    local key = ((m.pan or -1) * 65536 + m.source) * 65536 + m.destination
    local link = self.links[key]
    if not link then
        if self.links_count >= LINKS_KEPT then
            self.links, self.links_count, self.hops, self.hops_count = {}, 0, {}, 0
        end
        link = {
            heard = {}, -- the row of the last message with each counter
            pan = m.pan,
            from = m.source,
            to = m.destination,
            source_place = place(m.pan, m.source),
            destination_place = place(m.pan, m.destination),
        }
        self.links[key] = link
        self.links_count = self.links_count + 1
    end
    local source = learn(self, link.source_place, m.source_eui64)
    local destination = learn(self, link.destination_place, m.destination_eui64)
    m.source_eui64, m.destination_eui64 = source, destination
    if link.source_eui64 ~= source or link.destination_eui64 ~= destination then
        link.source_eui64, link.destination_eui64 = source, destination
        link.source, link.destination, link.said, link.heard_by, link.flow = nil, nil, nil, nil, nil
    end
    return link
end

-- Whether the addresses of a message are known with their EUI-64s.
function Tracker:knows(m)
    return self.eui64s[place(m.pan, m.source)] and self.eui64s[place(m.pan, m.destination)]
end

-- The header of a hop, octets that are alike for all messages between two addresses, tells of which link they are:
-- what `knows` both may be found by it until something else is learnt.
function Tracker:remember_hop(header, m)
    if self.hops[header] or not self:knows(m) then
        return
    elseif self.hops_count >= HOPS_KEPT then
        self.hops, self.hops_count = {}, 0
    end
    self.hops[header], self.hops_count = link_of(self, m), self.hops_count + 1
end

-- The dialogue that a message between two devices belongs to.
local function between(self, link, m, by_server)
    local dialogue
    if by_server then
        dialogue = link.said
    else
        dialogue = link.heard_by
    end
    if dialogue then
        link.source.short, link.destination.short = m.source, m.destination
        return dialogue
    end
    link.source = self:device(m.pan, m.source, m.source_eui64)
    link.destination = self:device(m.pan, m.destination, m.destination_eui64)
    if by_server then
        dialogue = self:dialogue(link.destination, link.source)
        link.said = dialogue
    else
        dialogue = self:dialogue(link.source, link.destination)
        link.heard_by = dialogue
    end
    return dialogue
end

-- An image in one text.
function M.identity(m)
    return format("0x%04x/0x%04x/0x%08x", m.manufacturer, m.image_type, m.version)
end

-- Which attempt a message belongs to that changes nothing.
local function belongs_to(dialogue, m)
    local track
    if m.version and m.command ~= 0x00 and m.command ~= 0x01 then
        track = dialogue.tracks[M.identity(m)]
    end
    track = track or dialogue.current or dialogue.offered
    return track and track.attempts[#track.attempts]
end

-- The request with the sequence number of an answer; else the last one that fits.
local function request_of(dialogue, m, wanted)
    local requests, last, other = dialogue.requests, dialogue.request, nil
    local newest = requests[last]
    if
        newest
        and newest.sequence == m.sequence
        and newest.command == wanted
        and m.time - newest.time <= LONGEST_ANSWER_S
    then
        return newest
    end
    for i = 0, #requests - 1 do
        local one = requests[(last - 1 - i) % REQUESTS_KEPT + 1]
        if one.command == wanted or wanted == 0x03 and one.command == 0x04 then
            if m.time - one.time > LONGEST_ANSWER_S then
                break
            elseif one.sequence == m.sequence then
                return one
            elseif not m.offset or m.offset == one.offset then
                other = other or one
            end
        end
    end
    return other
end

-- Remembers a request, for its answer.
local function ask(dialogue, m)
    local at = dialogue.request % REQUESTS_KEPT + 1
    local request = dialogue.requests[at] or {}
    request.frame, request.time, request.command, request.sequence = m.frame, m.time, m.command, m.sequence
    request.offset, request.size, request.response = m.offset, m.size, false
    dialogue.request, dialogue.requests[at] = at, request
    m.asks = request
    return request
end

-- Which request a message answers: that with its sequence number; else the last one, if it fits.
local function pair(dialogue, m, by_server)
    if not by_server and m.command ~= ota.DEFAULT_RESPONSE then
        if m.flags % 2 == 0 then
            ask(dialogue, m)
        end
        return
    end
    local wanted = ANSWERS[m.command] or m.answered
    local request = request_of(dialogue, m, wanted)
    if not request then
        return
    end
    if request.sequence ~= m.sequence and by_server and m.command ~= 0x07 and m.flags == 0 then
        m.flags = OTHER_SEQUENCE
    end
    m.request = request
    if not request.response then
        request.response = m.frame
        m.answers_first = true
    end
end

-- What a block has to have in common with its request.
local function compare(m)
    local request = m.request
    if m.status ~= SUCCESS then
        return
    end
    if m.size > request.size then
        m.flags = m.flags + OVERSIZE
    end
    if request.command == 0x03 then
        m.expected = request.offset
        if m.offset ~= request.offset then
            m.flags = m.flags + M.WRONG_OFFSET
        end
    end
end

-- All attempts of the client at the image that a message names; nothing if there are too many already.
local function track_of(self, dialogue, m)
    local current = dialogue.current
    if
        current
        and current.version == m.version
        and current.image_type == m.image_type
        and current.manufacturer == m.manufacturer
    then
        return current
    end
    local name = M.identity(m)
    local track = dialogue.tracks[name]
    if not track and self:room() then
        track = {
            name = name,
            manufacturer = m.manufacturer,
            image_type = m.image_type,
            version = m.version,
            attempts = {},
            offers = {},
        }
        dialogue.tracks[name] = track
    end
    return track
end

function Tracker:room()
    if #self.attempts < self.attempts_limit then
        return true
    end
    self.refused.attempts = self.refused.attempts + 1
    return false
end

local function latest(self, dialogue, track, sign)
    return track.attempts[#track.attempts] or self:begin(dialogue, track, sign)
end

local function stream(self, dialogue, m)
    local track
    if m.kind >= WAIT then
        track = dialogue.current
        if not track then
            self.refused.unattributed = self.refused.unattributed + 1
            return
        end
    else
        track = track_of(self, dialogue, m)
        if not track then
            return
        end
    end
    local attempt = latest(self, dialogue, track, m)
    if attempt:begins_anew(m, self.silence_s) and self:room() then
        attempt.superseded = true
        attempt.image:flush()
        attempt = self:begin(dialogue, track, m)
    end
    if not attempt.begun then
        self:hand_over(dialogue, attempt)
    end
    attempt:take(m, self.pause_s)
    m.attempt = attempt
    dialogue.current = track
end

-- The flow of a dialogue: while a client goes on to the next block, and the server answers with it, there is little to
-- find out. `next`: the offset that the client will ask for when it has the last block; `request`: what it asked for,
-- while that is not answered. Any other message makes both nothing, and is looked at in full. What the attempt has to
-- learn of the flow is gathered (`requests`, `blocks`, the last ones), until somebody asks for the attempt.

local function settle(flow)
    if flow.row then
        flow.attempt:catch_up(flow)
        flow.requests, flow.blocks, flow.row = 0, 0, nil
    end
end

-- Brings an attempt up to what was taken in; before it is asked for anything but its image.
function Tracker:settle(attempt) -- luacheck: no self
    if attempt.flow then
        settle(attempt.flow)
    end
end

local function ends_flow(dialogue)
    local flow = dialogue.flow
    if flow then
        settle(flow)
        flow.next, flow.request = false, false
    end
end

-- A block that answers the last request lets the flow begin, for messages between the same addresses.
local function begins_flow(dialogue, link, m)
    local attempt, request = m.attempt, m.request
    if not (attempt and request and attempt.begun) or attempt.over or attempt.asked_last ~= m.offset then
        return
    end
    local size, image = attempt:image_size(), attempt.image
    if attempt.expected ~= m.offset + m.length then
        return -- another block lay further on
    elseif size and image:reach() > size or not size and image.first[1] == 0 and attempt.header_size == nil then
        return -- octets that do not count; or the size may be learnt of any block
    end
    local flow = dialogue.flow or { dialogue = dialogue, requests = 0, blocks = 0 }
    dialogue.flow, link.flow, attempt.flow = flow, flow, flow
    flow.attempt, flow.image, flow.next, flow.moved = attempt, image, m.offset + m.length, m.time
    flow.asked = request == dialogue.requests[dialogue.request] and request or nil
    flow.manufacturer, flow.image_type, flow.version = m.manufacturer, m.image_type, m.version
    flow.stop, flow.size = min(size or image.limit, image.limit), request.size
    flow.wait_until, flow.block_sequence = attempt.wait_until, m.sequence
end

-- Takes the last block of a flow once more, of another hop or try; whether it is that block.
local function repeats(flow, m)
    local asked, data, sequence = flow.asked, m.data, m.sequence
    if
        not (asked and flow.next and data)
        or asked.offset ~= m.offset
        or asked.sequence ~= sequence
        or flow.block_sequence ~= sequence
        or asked.command ~= 0x03
        or m.size > asked.size
        or m.time - asked.time > LONGEST_ANSWER_S
        or not flow.image:ends_with(m.offset, data)
        or #data ~= m.size
    then
        return false
    end
    m.request = asked
    return true
end

-- Takes a request or a block that goes on with the flow, or the last of them again; whether it is such a message.
local function flows(self, flow, m)
    local request, offset, size, time = flow.request, m.offset, m.size, m.time
    if
        m.version ~= flow.version
        or m.image_type ~= flow.image_type
        or m.manufacturer ~= flow.manufacturer
        or time - flow.moved > self.pause_s
        or time < flow.wait_until
        or not (request or flow.next)
    then
        return false
    end
    local image, is_request, moves = flow.image, m.command == 0x03, true
    if m.flags == COPY then
        if not is_request and not repeats(flow, m) then
            return false
        end
        moves = not is_request
    elseif is_request then
        if offset ~= flow.next or size ~= flow.size or offset >= flow.stop then
            return false
        elseif flow.requests == 0 then
            flow.first = offset
        end
        request = ask(flow.dialogue, m)
        flow.next, flow.request, flow.asked = false, request, request
        flow.requests = flow.requests + 1
    else
        local data, sequence = m.data, m.sequence
        if
            not request
            or offset ~= request.offset
            or sequence ~= request.sequence
            or sequence == flow.block_sequence
            or size == 0
            or size > request.size
            or #data ~= size
            or offset + size > flow.stop
            or image.octets + size >= flow.stop
            or not image:append(offset, data)
        then
            return false
        end
        flow.next, flow.request = offset + size, false
        flow.block_sequence, flow.block_offset = sequence, offset
        flow.blocks = flow.blocks + 1
        request.response, m.request, m.answers_first = m.frame, request, true
    end
    if moves then
        flow.moved = time
    end
    flow.row, flow.time, flow.frame = m.row, time, m.frame
    m.attempt, m.received = flow.attempt, image.octets
    return true
end

-- Looks at a message in full.
local function look_at(self, link, m)
    local kind = kind_of(m)
    m.length = m.page_size or m.size or 0
    if kind == WAIT then
        m.wait = min(max(m.request_time - m.current_time, 0), LONGEST_WAIT_S)
    end
    if m.flags == COPY then
        kind = kind ~= CONTROL and AGAIN[kind] or nil
    end
    m.kind = kind
    local by_server = speaks_as_server(m)
    if m.destination >= FIRST_BROADCAST then
        self:broadcast(m)
        return
    elseif not kind and m.flags == 0 and m.command ~= ota.DEFAULT_RESPONSE then
        return
    end
    local dialogue = between(self, link, m, by_server)
    if not dialogue then
        return
    end
    ends_flow(dialogue)
    pair(dialogue, m, by_server)
    if kind == CONTROL then
        self:signal(dialogue, m)
    elseif kind then
        stream(self, dialogue, m)
    end
    local attempt = m.attempt or belongs_to(dialogue, m)
    if attempt then
        m.attempt, m.received = attempt, attempt:received()
        if m.request and m.command == 0x05 then
            compare(m)
        end
    end
    if kind == BLOCK then
        begins_flow(dialogue, link, m)
    elseif kind == REQUEST then
        link.flow = dialogue.flow
    end
end

-- Take in the next message of the capture. What it turns out to be is written into it: `attempt`, `flags`, `expected`
-- and `received` (octets), `conflicting`, `request` (the request that it answers: frame, time), `copy_of`.
function Tracker:feed(m)
    local row = self.rows + 1
    self.rows, m.row = row, row
    m.attempt, m.expected, m.received, m.conflicting = false, false, false, false
    m.request, m.asks, m.answers_first = false, false, false
    local link = m.link or link_of(self, m)
    m.link = false
    local copy_of = heard_before(self.heard, m, row, link.heard)
    m.copy_of, m.flags = copy_of or false, copy_of and COPY or 0
    local flow, command = link.flow, m.command
    if flow and (command == 0x03 or command == 0x05) and flows(self, flow, m) then
        link.source.short, link.destination.short = link.from, link.to
        return
    end
    m.pan, m.source, m.destination = link.pan, link.from, link.to
    m.source_eui64, m.destination_eui64 = link.source_eui64, link.destination_eui64
    look_at(self, link, m)
end

-- An Upgrade End Response to all concerns those clients of the server that wait for one.
function Tracker:broadcast(m)
    if m.kind ~= CONTROL then
        return
    end
    local host = self:device(m.pan, m.source, m.source_eui64)
    for _, dialogue in ipairs(self.dialogue_list) do
        local track = dialogue.current
        local running = track and track.attempts[#track.attempts]
        if dialogue.server == host and running and running.end_status == ota.SUCCESS then
            self:upgrade(dialogue, m)
        end
    end
end

function Tracker:new_attempt(dialogue, what, sign, size)
    local one = attempts.new(dialogue, what, sign, store.new(self.backend, self.image_limit))
    one.id, one.size = #self.attempts + 1, size
    self.attempts[one.id] = one
    return one
end

function Tracker:begin(dialogue, track, sign)
    local attempt = self:new_attempt(dialogue, track, sign, track.size)
    track.attempts[#track.attempts + 1] = attempt
    attempt.count = #track.attempts
    for _, offer in ipairs(track.offers) do
        attempt:tell(offer)
    end
    track.offers = {}
    self:hand_over(dialogue, attempt)
    return attempt
end

-- What led to an attempt belongs to it.
function Tracker:hand_over(dialogue, attempt) -- luacheck: no self
    local prelude = dialogue.prelude
    if #prelude > 0 then
        local first = attempt.first.time
        for _, sign in ipairs(prelude) do
            if first - sign.time <= PRELUDE_S then
                attempt:tell(sign)
                first = attempt.first.time
            end
        end
        dialogue.prelude = {}
    end
end

local function running(dialogue)
    local track = dialogue.current
    local attempt = track and track.attempts[#track.attempts]
    return attempt and attempt.begun and not attempt.over and attempt or nil
end

-- Note something that concerns no particular image.
function Tracker:tell(dialogue, sign) -- luacheck: no self
    local attempt = running(dialogue)
    if attempt then
        attempt:tell(sign)
    else
        keep(dialogue.prelude, sign)
    end
    return attempt
end

-- One message that steers: everything but requests, blocks and waits.
function Tracker:signal(dialogue, m)
    local command = m.command
    if command == 0x00 then
        m.attempt = self:tell(dialogue, m)
    elseif command == 0x01 or command == 0x08 then
        self:query(dialogue, m)
    elseif command == 0x02 or command == 0x09 then
        if m.status == ota.SUCCESS then
            self:offer(dialogue, m)
        else
            self:refuse(dialogue, m)
        end
    elseif command == 0x05 then
        self:trouble(dialogue, m)
    elseif command == 0x06 then
        self:finish(dialogue, m)
    elseif command == 0x07 then
        self:upgrade(dialogue, m)
    else
        self:default_response(dialogue, m)
    end
end

function Tracker:query(dialogue, m)
    m.attempt = self:tell(dialogue, m)
    if m.version then
        local query = sign_of(m)
        query.manufacturer, query.image_type, query.version = m.manufacturer, m.image_type, m.version
        dialogue.query = query
    end
    local attempt = running(dialogue)
    if attempt then
        attempt.queried = true
    end
end

function Tracker:offer(dialogue, m)
    local track = track_of(self, dialogue, m)
    if not track then
        return
    end
    dialogue.offered = track
    track.size = m.image_size
    local attempt = track.attempts[#track.attempts]
    if attempt and attempt.over then
        keep(track.offers, m)
        attempt.finished = true
        attempt.size = attempt.size or track.size
        m.attempt = attempt
        return
    end
    if not attempt then
        attempt = self:begin(dialogue, track, m)
    elseif not attempt.begun then
        self:hand_over(dialogue, attempt)
    end
    attempt.size = track.size
    attempt.queried = attempt.begun ~= nil
    attempt.declined = false
    attempt.offered = true
    attempt:tell(m)
    m.attempt = attempt
end

-- The server has nothing. Whom that concerns only the query tells.
function Tracker:refuse(dialogue, m)
    m.attempt = self:tell(dialogue, m)
    local query = dialogue.query
    if not query or m.time - query.time > self.pause_s then
        return
    end
    local name = M.identity(query)
    local refusal = dialogue.refusals[name]
    if not refusal then
        if not self:room() then
            return
        end
        refusal = self:new_attempt(dialogue, query, query)
        refusal.declined, refusal.refusal = true, true
        dialogue.refusals[name] = refusal
    end
    refusal:tell(m)
    m.attempt = m.attempt or self:owner(refusal)
end

-- The track that an Upgrade End Request or Response means; without an identity, or with wildcards, the current one.
function Tracker:meant(dialogue, m)
    local track = dialogue.current
    local function covers(told, own, any)
        return told == any or told == own
    end
    if
        m.version
        and not (
            track
            and covers(m.manufacturer, track.manufacturer, 0xffff)
            and covers(m.image_type, track.image_type, 0xffff)
            and covers(m.version, track.version, 0xffffffff)
        )
    then
        track = track_of(self, dialogue, m)
    end
    if not track then
        self.refused.unattributed = self.refused.unattributed + 1
        return nil
    end
    dialogue.current = track
    return latest(self, dialogue, track, m)
end

function Tracker:finish(dialogue, m)
    local attempt = self:meant(dialogue, m)
    if not attempt then
        return
    end
    attempt:tell(m)
    attempt.over, attempt.end_status = true, m.status
    attempt.aborted, attempt.upgrade, attempt.upgrade_at = false, nil, nil
    attempt.finished = m.status == ota.SUCCESS
    attempt.succeeded = attempt.succeeded or attempt.finished
    m.attempt = attempt
    if m.status == ota.SUCCESS and not attempt:is_complete() then
        m.flags = m.flags + M.INCOMPLETE
    end
end

function Tracker:upgrade(dialogue, m)
    local attempt = self:meant(dialogue, m)
    if not attempt then
        return
    end
    if m.request_time == 0xffffffff then
        attempt.upgrade, attempt.upgrade_at = "waiting", "wait for a further command"
    else
        attempt.upgrade = "upgrading"
        attempt.upgrade_at = m.request_time <= m.current_time and "now"
            or format("in %d s", m.request_time - m.current_time)
    end
    attempt.over, attempt.finished = true, true
    attempt:tell(m)
    m.attempt = attempt
end

function Tracker:trouble(dialogue, m)
    local track = dialogue.current
    local attempt = track and track.attempts[#track.attempts]
    if not attempt then
        self.refused.unattributed = self.refused.unattributed + 1
        return
    end
    attempt:tell(m)
    if m.status == ota.ABORT then
        attempt.over, attempt.aborted = true, true
    end
    m.attempt = attempt
end

function Tracker:default_response(dialogue, m)
    local answered = m.answered
    local track = dialogue.offered
    if answered >= 0x03 and answered <= 0x07 then
        self:trouble(dialogue, m)
    elseif (answered == 0x02 or answered == 0x09) and track and #track.attempts > 0 then
        local attempt = track.attempts[#track.attempts]
        if #track.offers > 0 then
            keep(track.offers, m)
        else
            attempt.declined = not attempt.begun
            attempt:tell(m)
        end
        m.attempt = attempt
    else
        m.attempt = self:tell(dialogue, m)
    end
end

local function same_kind(a, b)
    return a.client == b.client and a.manufacturer == b.manufacturer and a.image_type == b.image_type
end

-- The attempt that an attempt is part of: a refused query belongs to the story of another one when the client loads
-- such an image later, or has just loaded that very version.
function Tracker:owner(attempt)
    if attempt.refusal then
        for _, one in ipairs(self.attempts) do
            if not one.refusal and same_kind(one, attempt) then
                local follows = one.begun and one.begun.row > attempt.first.row
                if follows or one.finished and one.version == attempt.version then
                    return one
                end
            end
        end
    end
    return attempt
end

-- All transfers so far, in order of their first frames, as tables of their own: nothing changes for what comes next.
function Tracker:transfers()
    local begun = {}
    local function kind(one)
        return format("%s %d %d", tostring(one.client), one.manufacturer, one.image_type)
    end
    for _, one in ipairs(self.attempts) do
        if one.begun then
            begun[kind(one)] = max(begun[kind(one)] or -1, one.begun.row)
        end
    end
    local found = {}
    for _, one in ipairs(self.attempts) do
        if self:owner(one) == one then
            self:settle(one)
            local superseded = one.superseded
            one.superseded = one.begun and ((begun[kind(one)] or -1) > one.last.row or superseded) or superseded
            found[#found + 1] = self:transfer(one)
            one.superseded = superseded
        end
    end
    table.sort(found, function(a, b)
        return a.first_frame < b.first_frame or a.first_frame == b.first_frame and a.id < b.id
    end)
    local counts = {}
    for number, one in ipairs(found) do
        local attempt = one.of
        local key = kind(attempt) .. " " .. attempt.version
        counts[key] = (counts[key] or 0) + 1
        one.number, one.attempt = number, counts[key]
        attempt.number, attempt.count = number, counts[key]
    end
    return found
end

function Tracker:transfer(attempt)
    local size, source = attempt:image_size()
    return {
        of = attempt,
        id = attempt.id,
        client = attempt.client,
        server = attempt.server,
        manufacturer = attempt.manufacturer,
        image_type = attempt.image_type,
        version = attempt.version,
        image_size = size,
        image_size_source = source,
        received = attempt:received(),
        missing = attempt:missing(),
        conflicting = attempt.image.conflicting,
        complete = attempt:is_complete(),
        state = attempt:state(self.ended, self.stalled_s),
        first_frame = attempt.first.frame,
        last_frame = attempt.last.frame,
        block_requests = attempt.block_requests,
        block_responses = attempt.block_responses,
        page_requests = attempt.page_requests,
        waits = attempt.waits,
        resumptions = attempt.resumptions,
        upgrade_at = attempt.upgrade_at,
    }
end

return M
