-- Unit tests of the plugin's logic, for any Lua: lua units.lua FOLDER (of the plugin's modules)

local T = dofile(arg[0]:match("^(.*[/\\])") .. "modules.lua")
local same, octets, tracker = T.same, T.octets, T.tracker

local tests = {}

-- SHA-256: FIPS 180-4 and its examples.

function tests.sha256_of_known_texts()
    same(T.sha256.hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    same(T.sha256.hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    same(
        T.sha256.hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    )
end

function tests.sha256_does_not_depend_on_the_pieces()
    local text = string.rep("0123456789abcdefghijklmnopqrstuvwxyz", 20)
    for size = 1, 130, 7 do
        local hash = T.sha256.new()
        for at = 1, #text, size do
            hash:update(text:sub(at, at + size - 1))
        end
        same(hash:hex(), T.sha256.hex(text), size)
    end
end

-- Commands: vectors of zigbee.md 4 and 8.

function tests.block_request_with_everything()
    local m = T.ota.parse(octets "010203 03 0110 1110 10010101 df000000 df 2d2e60feffbd4d74 0000", {})
    same(m.command, 3)
    same(m.sequence, 2)
    same(m.manufacturer, 0x1001)
    same(m.image_type, 0x1011)
    same(m.version, 0x01010110)
    same(m.offset, 0xdf)
    same(m.size, 0xdf)
    same(m.period, 0)
    same(m.short, false)
end

function tests.block_request_that_promises_a_period_and_has_none()
    local m = T.ota.parse(octets "010603 02 2110 1000 00002000 3e000000 08", {})
    same(m.offset, 62)
    same(m.size, 8)
    same(m.period, false)
    same(m.short, true)
    same(m.malformed, false)
end

function tests.page_request()
    local m = T.ota.parse(octets "010704 00 2110 1000 00002000 46000000 40 0001 c800", {})
    same(m.page_size, 256)
    same(m.spacing, 200)
    same(m.offset, 70)
    same(m.size, 64)
end

function tests.wait_for_data_with_and_without_period()
    local m = T.ota.parse(octets "190305 97 00000000 3c000000 2c01", {})
    same(m.request_time, 60)
    same(m.period, 300)
    m = T.ota.parse(octets "190305 97 00000000 3c000000", m)
    same(m.period, false)
    same(m.malformed, false)
end

function tests.block_keeps_what_there_is_of_its_data()
    local m = T.ota.parse(octets "190105 00 0110 1110 10010101 00000000 04 1ef1", {})
    same(m.size, 4)
    same(m.data, octets "1ef1")
end

function tests.commands_that_are_cut_are_malformed()
    local whole = octets "010203 03 0110 1110 10010101 df000000 df"
    for size = 3, #whole - 1 do
        same(T.ota.parse(whole:sub(1, size), {}).malformed, true, size)
    end
    same(T.ota.parse(octets "0102", {}), nil)
    same(T.ota.parse(octets "050102 03 00", {}), nil, "manufacturer specific")
    same(T.ota.parse(octets "01020a", {}), nil, "unknown command")
end

function tests.no_field_of_the_last_message_is_left()
    local m = T.ota.parse(octets "010704 00 2110 1000 00002000 46000000 40 0001 c800", {})
    m = T.ota.parse(octets "18c10b 00 98", m)
    same(m.command, T.ota.DEFAULT_RESPONSE)
    same(m.page_size, false)
    same(m.offset, false)
    same(m.version, false)
end

-- The image store.

local function filled(in_memory)
    return T.store.new(T.store.backend(in_memory), 1000000)
end

function tests.blocks_in_any_order_give_the_image()
    for _, in_memory in ipairs { true, false } do
        local whole = {}
        for i = 1, 400 do
            whole[i] = string.char(i % 251) .. string.char(i % 7) .. "abc"
        end
        local text = table.concat(whole)
        local image = filled(in_memory)
        for step = 0, 6 do
            for i = step, 399, 7 do
                local new, different = image:put(i * 5, text:sub(i * 5 + 1, i * 5 + 5))
                same(new, 5)
                same(different, 0)
            end
        end
        same(image:read(0, #text), text)
        same(image.octets, #text)
        same(#image:gaps(#text), 0)
    end
end

function tests.a_long_run_is_cut_into_extents()
    local image = filled(false)
    local piece = string.rep("x", 48)
    for i = 0, 999 do
        image:put(i * 48, piece)
    end
    same(image.octets, 48000)
    same(image:read(100, 47000), string.rep("x", 46900))
    same(#image.first, 12)
end

function tests.the_first_value_is_kept_and_differences_are_counted_once()
    local image = filled(true)
    image:put(10, "abcdef")
    local new, different = image:put(8, "__abXXef__")
    same(new, 4)
    same(different, 2)
    image:put(10, "abXXef")
    same(image.conflicting, 2)
    same(image:read(8, 18), "__abcdef__")
end

function tests.gaps_and_limit()
    local image = T.store.new(T.store.backend(true), 100)
    image:put(10, "abc")
    image:put(95, "0123456789")
    local gaps = image:gaps(100)
    same(#gaps, 2)
    same(gaps[1][1], 0)
    same(gaps[1][2], 10)
    same(gaps[2][1], 13)
    same(gaps[2][2], 95)
    same(image.refused, 5)
    same(image:read(9, 12), nil)
end

-- The log.

local RECORD = { "frame", "attempt", "flags", "received", "partner", "latency_us", "expected", "conflicting" }

-- Adds a record to a log; returns its row.
local function note(log, record)
    local place, row = log:add(record.frame)
    for _, name in ipairs(RECORD) do
        place[name] = record[name]
    end
    return row
end

function tests.records_come_back_as_they_were()
    for _, in_memory in ipairs { true, false } do
        local log, frame, wanted = T.log.new(T.store.backend(in_memory)), 3, {}
        for i = 1, 1000 do
            frame = frame + 1 + i % 5
            local record = { frame = frame, flags = i % 13 == 0 and 65536 + i or 0 }
            record.attempt = i % 300 > 0 and i % 300 * 13 or nil
            record.received = i % 3 > 0 and i * 4000000 or nil
            if i % 2 == 0 then
                record.partner, record.latency_us = i % 3 == 0 and frame + 9 or frame - 2, i * 60000
            end
            record.expected = i % 17 == 0 and 4294967294 or nil
            record.conflicting = i % 19 == 0 and i % 255 + 1 or nil
            note(log, record)
            wanted[frame] = record
        end
        for number = frame + 3, 1, -1 do
            local record = log:find(number)
            for _, name in ipairs(wanted[number] and RECORD or {}) do
                same(record[name], wanted[number][name], number .. " " .. name)
            end
            same(record == nil, wanted[number] == nil, number)
        end
        for number = 1, frame + 3 do
            local record = log:find(number)
            same(record and record.frame, wanted[number] and number, number)
            same(record and record.partner, wanted[number] and wanted[number].partner, number)
        end
    end
end

function tests.of_records_with_one_frame_number_the_last_one_counts()
    for _, count in ipairs { 5, 500 } do
        local log = T.log.new(T.store.backend(true))
        for i = 0, count - 1 do
            note(log, { frame = 10 + (i - i % 3) / 3, flags = i })
        end
        for _, frame in ipairs { 10, 11, 10 } do
            same(log:find(frame).flags, frame == 10 and 2 or math.min(5, count - 1), frame)
        end
        same(log:find(9), nil)
        same(log:find(1000), nil)
    end
end

function tests.an_answer_may_come_late()
    for _, in_memory in ipairs { true, false } do
        local log, rows = T.log.new(T.store.backend(in_memory)), {}
        for i = 1, 500 do
            rows[i * 2] = note(log, { frame = i * 2, attempt = 5, flags = 3, received = 77 })
        end
        same(log:find(20).partner, nil)
        log:answer(rows[20], 30, 7)
        log:answer(rows[998], 1001, 8)
        same(log:find(20).partner, 30)
        same(log:find(20).latency_us, 7)
        same(log:find(20).attempt, 5)
        same(log:find(20).received, 77)
        same(log:find(998).partner, 1001)
        same(log:find(18).partner, nil)
        same(log:find(22).partner, nil)
        same(log:find(21), nil)
    end
end

function tests.numbers_beyond_four_octets_are_left_out()
    local log = T.log.new(T.store.backend(true))
    for i = 1, 200 do
        note(log, { frame = i, flags = 0, expected = 4294967295 + i })
    end
    same(log:find(1).expected, nil)
end

-- Whether anybody asks.

local function asked_by(line, preferences)
    local words = {}
    for word in line:gmatch("%S+") do
        words[#words + 1] = word
    end
    return T.asked(words, preferences or "")
end

local SCRIPT = " -X lua_script:/x/hanscope/hanscope.lua"

function tests.nothing_is_asked_where_nothing_of_ours_can_be_seen()
    for _, line in ipairs {
        "tshark -n -r x.pcap", "/usr/bin/tshark -r /tmp/hanscope/x.pcap -T fields -e frame.number -Y zbee_zcl",
        "tshark -nr hanscope.pcap -Tfields -e zbee_zcl_general.ota.file.offset -2 -R zbee_zcl -q -w hanscope.pcapng",
    } do
        same(asked_by(line .. SCRIPT), false, line)
    end
end

function tests.all_is_asked_where_in_doubt()
    same(T.asked({}, ""), true, "the command line cannot be read")
    for _, line in ipairs {
        "wireshark -r x.pcap", "sharkd -", "tshark -r x.pcap -V", "tshark -nVr x.pcap", "tshark -r x -T json",
        "tshark -r x -Tpdml", "tshark -r x -O zbee_zcl", "tshark -r x -z expert", "tshark -r x -C hanscope",
        "tshark -r x --color", "tshark -r x -X lua_script:other.lua", "tshark -r x -Y ${macro}", "tshark -G fields",
        "tshark -r x -T fields -e hanscope.*",
    } do
        same(asked_by(line .. SCRIPT), true, line)
    end
    same(asked_by("tshark -r x", 'gui.column.format:\n\t"Progress", "%Cus:hanscope.progress:0:R"\n'), true)
    same(asked_by("tshark -r x", "# hanscope.info: FALSE\n"), false)
end

function tests.fields_that_are_named_are_asked()
    local names = asked_by("tshark -r x -T fields -e hanscope.transfer -Y hanscope.offset.expected>5" .. SCRIPT)
    same(names["hanscope.transfer"], true)
    same(names["hanscope.offset.expected"], true)
    same(names["hanscope.progress"], nil)
    same(names.hanscope, nil, "the tree itself")
    same(asked_by("tshark -r x -T fields -e hanscope.transfer -Y hanscope&&zbee_zcl" .. SCRIPT).hanscope, true)
    same(type(asked_by("tshark -r x -Y _ws.expert")), "table")
    same(asked_by("tshark -r x -q -o hanscope.report:TRUE") ~= false, true)
end

function tests.each_frame_comes_once_in_one_pass()
    same(T.once({ "tshark", "-r", "x", "-T", "fields" }), true)
    same(T.once({ "tshark", "-r", "x", "-2" }), false)
    same(T.once({ "tshark", "-n2r", "x" }), false)
    same(T.once({ "sharkd" }), false)
    same(T.once({}), false, "the command line cannot be read")
end

function tests.the_first_of_two_passes_shows_only_what_its_filter_needs()
    same(T.shows_twice({ "tshark", "-2", "-R", "frame", "-e", "hanscope.state" }), false)
    same(T.shows_twice({ "tshark", "-2", "-R", "hanscope.rule" }), true)
    same(T.shows_twice({ "tshark", "-2", "--read-filter", "_ws.expert" }), true)
    same(T.shows_twice({ "tshark", "-2R", "${macro}" }), true)
    same(T.shows_twice({ "sharkd" }), true)
end

-- Transfers.

local function feeder(options)
    options = options or {}
    options.in_memory = true
    local all = tracker.new(options)
    local frame, counter, time = 0, 0, 1000
    local function say(hex, from_server, seconds)
        frame, counter, time = frame + 1, (counter + 1) % 256, time + (seconds or 0.1)
        local m = T.ota.parse(octets(hex), {})
        m.frame, m.time, m.pan, m.counter, m.nwk_sequence = frame, time, 0x1234, counter, counter
        m.source, m.destination = from_server and 0 or 0x2e5e, from_server and 0x2e5e or 0
        m.source_endpoint, m.destination_endpoint = 1, 1
        all:feed(m)
        return m
    end
    local function again(m)
        local copy = {}
        for name, value in pairs(m) do
            copy[name] = value
        end
        frame = frame + 1
        copy.frame = frame
        all:feed(copy)
        return copy
    end
    return all, say, again
end

local function offset_text(offset)
    return string.format("%02x%02x0000", offset % 256, (offset - offset % 256) / 256)
end

local function ask(say, sequence, offset, size, seconds)
    local text = string.format("01 %02x 03 00 de10 0000 03020002 %s %02x", sequence, offset_text(offset), size)
    return say(text, false, seconds)
end

local function give(say, sequence, offset, data)
    local text = string.format("19 %02x 05 00 de10 0000 03020002 %s %02x", sequence, offset_text(offset), #data)
    return say(text .. T.gbcs.hex(data), true)
end

local OFFER = "19 01 02 00 de10 0000 03020002 0c000000"

function tests.a_transfer_from_offer_to_end()
    local all, say = feeder()
    say("01 01 01 00 de10 0000 02020002", false)
    say(OFFER, true)
    for i = 0, 2 do
        local asked = ask(say, i + 2, i * 4, 4)
        local given = give(say, i + 2, i * 4, "abcd")
        same(given.request.frame, asked.frame, "request")
        same(given.answers_first, true)
        same(given.received, i * 4 + 4)
    end
    say("01 05 06 00 de10 0000 03020002", false)
    say("19 05 07 de10 0000 03020002 00000000 ffffffff", true)
    local found = all:transfers()
    same(#found, 1)
    same(found[1].state, "waiting")
    same(found[1].complete, true)
    same(found[1].image_size, 12)
    same(found[1].first_frame, 1)
    same(T.image.file_hash(found[1].of), T.sha256.hex("abcdabcdabcd"))
end

function tests.what_is_heard_again_counts_once()
    local all, say, again = feeder()
    say(OFFER, true)
    local request = ask(say, 2, 0, 4)
    local copy = again(request)
    same(copy.flags % 2, 1, "copy")
    same(copy.copy_of, request.frame)
    local block = give(say, 2, 0, "abcd")
    again(block)
    local found = all:transfers()[1]
    same(found.block_requests, 1)
    same(found.block_responses, 1)
    same(found.conflicting, 0)
end

-- Asks for another block every `seconds`, so many times; then tells whether the first request is known again.
local function known_again(count, seconds)
    local _, say, again = feeder()
    say(OFFER, true)
    local first = ask(say, 0, 0, 4)
    local last = first
    for i = 1, count do
        last = ask(say, 1 + (i - i % 256) / 256, i * 4, 4, seconds)
    end
    first.time = last.time
    local copy = again(first)
    same(again(last).copy_of, last.frame)
    return copy.copy_of == first.frame
end

function tests.messages_are_known_again_for_ten_seconds_and_4096_messages()
    same(known_again(99, 0.1), true)
    same(known_again(101, 0.1), false)
    same(known_again(1000, 0.001), true)
    same(known_again(4095, 0.001), true)
    same(known_again(4096, 0.001), false)
    same(known_again(9000, 0.001), false)
    same(known_again(9000, 0.0001), false)
end

function tests.a_request_without_answer_is_told_from_one_that_the_sniffer_missed()
    local all, say = feeder()
    say(OFFER, true)
    ask(say, 2, 0, 4)
    local skips = ask(say, 4, 8, 4)
    same(skips.flags % (2 * tracker.SKIPS) >= tracker.SKIPS, true, "skips")
    local missing = all:transfers()[1].missing
    same(#missing, 2)
    same(missing[1][3], "answered but not captured")
    same(missing[1][2], 8)
    same(missing[2][3], "requested and never answered")
end

function tests.octets_that_differ_are_a_conflict()
    local all, say = feeder()
    say(OFFER, true)
    ask(say, 2, 0, 4)
    give(say, 2, 0, "abcd")
    ask(say, 3, 0, 4)
    local block = give(say, 3, 0, "abXX")
    same(block.conflicting, 2)
    local rules = T.rules.broken(block.flags, 5)
    same(rules[1].id, "ota.block.conflict")
    same(all:transfers()[1].conflicting, 2)
end

function tests.a_block_at_another_offset_than_asked_for()
    local _, say = feeder()
    say(OFFER, true)
    ask(say, 2, 4, 4)
    local block = give(say, 2, 8, "abcd")
    same(block.expected, 4)
    same(T.rules.broken(block.flags, 5)[1].id, "ota.block.offset-mismatch")
end

function tests.a_request_before_the_wait_is_over()
    local all, say = feeder()
    say(OFFER, true)
    ask(say, 2, 0, 4)
    say("19 02 05 97 00000000 3c000000 0000", true)
    local early = ask(say, 3, 0, 4, 5)
    same(T.rules.broken(early.flags, 3)[1].id, "ota.wait.ignored")
    local late = ask(say, 4, 0, 4, 60)
    same(late.flags % (2 * tracker.EARLY) < tracker.EARLY, true)
    same(all:transfers()[1].waits, 1)
end

function tests.going_back_to_the_beginning_is_a_new_attempt()
    local all, say = feeder()
    say(OFFER, true)
    ask(say, 2, 0, 4)
    give(say, 2, 0, "abcd")
    ask(say, 3, 4, 4)
    ask(say, 4, 0, 4, 20)
    local found = all:transfers()
    same(#found, 2)
    same(found[1].state, "superseded")
    same(found[2].attempt, 2)
end

function tests.no_more_attempts_than_allowed_are_told_apart()
    local all, say = feeder({ attempts_limit = 3 })
    for version = 1, 10 do
        say(string.format("01 %02x 03 00 de10 0000 %02x000000 00000000 04", version, version), false)
    end
    same(#all.attempts, 3)
    same(all.refused.attempts > 0, true)
end

-- GBCS: gbcs.md 1.6, 3.4, 3.6.

local HEAD = "df0903 00000000000007d0 08 00db1234567890a0 08 90b3d51f30010000 00 02 "
local RECEIPT = "00ce 3b 0f200007d0 00 0203 128f72 090c 07df0101ff000000008000ff 0920"

function tests.activation_command_in_a_mac_header()
    local text = octets [[dd000000000000 819c 11 00000000
        df 09 01 00000000000003e8 08 90b3d51f30010000 08 00db1234567890a0 00 02 0012
        28 3026 0420 aa758690730934ff0685aa758690730934ff0685657788990011223344556677 0202 03e8
        40 af91963ab479bfc2cc602fd2cb9a313898d2a4837f938c21baf6e1185979abaa
           fe5d8e343af3d7d099ed6156c8739083639612fcda4755a2fe32751f5003a920
        9f872c379f4fe0e370440625]]
    local message = T.gbcs.message(text)
    same(message.code, 0x0012)
    same(message.cra, 1)
    same(message.counter, "00000000000003e8")
    same(message.originator, "90:b3:d5:1f:30:01:00:00")
    same(message.target, "00:db:12:34:56:78:90:a0")
    local found = T.gbcs.firmware(message)
    same(found.malformed, nil)
    same(found.hash, "aa758690730934ff0685aa758690730934ff0685657788990011223344556677")
    same(found.execution, nil)
end

function tests.receipt_alerts()
    local hash = string.rep("01", 32)
    local dlms = T.gbcs.message(octets(HEAD .. RECEIPT .. hash))
    local found = T.gbcs.firmware(dlms)
    same(found.alert, 0x8f72)
    same(found.hash, hash)
    local gbz = T.gbcs.message(octets(HEAD .. "00cf 2b 0109 01 8f1c 38818890 0920" .. hash))
    found = T.gbcs.firmware(gbz)
    same(found.alert, 0x8f1c)
    same(found.hash, hash)
end

function tests.hub_and_ppmid_alerts()
    local hub = T.gbcs.message(octets [[df 09 03 0000000000000fa0 08 00db1234567890a2 08 90b3d51f30000002 00 02 0128 2b
        3029 0203 008f8a 180f 32303135303130313030303030305a 0408 00db1234567890a4 0404 0123abcd 020100]])
    local found = T.gbcs.firmware(hub)
    same(found.alert, 0x8f8a)
    same(found.device, "00:db:12:34:56:78:90:a4")
    same(found.version, 0x0123abcd)
    same(found.result, "success")
    local ppmid = T.gbcs.message(octets(HEAD .. [[012b 21
        301f 0203 008f8b 180f 32303135303130313030303030305a 0404 1234abcd 020100]]))
    found = T.gbcs.firmware(ppmid)
    same(found.version, 0x1234abcd)
    same(found.time, "20150101000000Z")
end

function tests.future_dated_alert_and_refusal()
    local alert = T.gbcs.message(octets(HEAD .. [[00ca 27
        3025 0203 008f67 180f 32303330303130313030303030305a 0202 03ec 3009 020102 0404 0123abcf]]))
    local found = T.gbcs.firmware(alert)
    same(found.result, "hash mismatch")
    same(found.version, 0x0123abcf)
end

function tests.messages_that_are_cut_never_break()
    local text = octets(HEAD .. RECEIPT .. string.rep("01", 32))
    for size = 0, #text - 1 do
        local message = T.gbcs.message(text:sub(1, size))
        same(message, nil, size)
    end
    for at = 1, #text do
        for _, octet in ipairs { 0, 0x7f, 0x82, 0xff } do
            local message = T.gbcs.message(text:sub(1, at - 1) .. string.char(octet) .. text:sub(at + 1))
            if message then
                T.gbcs.firmware(message)
            end
        end
    end
end

function tests.blocks_of_a_message_in_any_order()
    local head = "dd 09 01 00000000000003e8 08 90b3d51f30010000 08 00db1234567890a0 00 02 0059 00 "
    local first = T.gbcs.block(octets(head .. "0f 00 00000000 e0 01 0001 0000 03 010203"))
    local second = T.gbcs.block(octets(head .. "0e 00 00000000 e0 81 0002 0000 02 0405"))
    local blocks = T.gbcs.blocks()
    same(blocks:put(second), nil)
    same(blocks:put(second), nil)
    same(blocks:put(first), octets "0102030405")
end

function tests.gas_meter_headers_are_taken_off()
    same(T.gbcs.unwrap("\1"), "")
    same(T.gbcs.unwrap("\2\0\223"), "\223")
    same(T.gbcs.unwrap("\3\223"), "\223")
    same(T.gbcs.unwrap("\223\9"), "\223\9")
end

-- Images.

function tests.layouts_of_images()
    local function image(text)
        local one = filled(true)
        one:put(0, text)
        return T.image.examine(one, #text)
    end
    local function header(size, kind, control)
        local text = octets("1ef1ee0b 0001 3c00") .. string.char(control, 0) .. octets "de10" .. string.char(kind, 0)
        text = text .. octets "03020002 0200" .. string.rep("x", 32)
        return text .. string.char(size % 256, (size - size % 256) / 256, 0, 0) .. octets "0000ffff"
    end
    local found = image(header(60 + 10 + 66, 0, 4) .. string.rep("m", 10) .. "\0\64" .. string.rep("s", 64))
    same(found.layout, "gbcs-signed")
    same(found.start, 60)
    same(found.stop, 70)
    found = image(header(70, 132, 4) .. string.rep("m", 10))
    same(found.layout, "gbcs-plain")
    found = image(header(60 + 6 + 3, 0, 4) .. octets "0000 03000000" .. "abc")
    same(found.layout, "zigbee-elements")
    found = image(string.rep("z", 200))
    same(found.layout, "opaque")
end

local function reasons(told)
    local parts = {}
    for i, gap in ipairs(told.missing) do
        parts[i] = string.format("%d-%d %s", gap[1], gap[2], gap[3])
    end
    return table.concat(parts, ", ")
end

-- What an attempt has to learn of a flow is gathered: it is there whenever it is asked for, and after a copy or a leap.
function tests.an_attempt_knows_what_flowed()
    local all, say, again = feeder()
    say(OFFER:gsub("0c000000", "40000000"), true)
    for i = 0, 3 do
        local request = ask(say, 2 + i, 4 * i, 4)
        again(request)
        local block = give(say, 2 + i, 4 * i, "abcd")
        local copy = again(block)
        same(block.received, 4 * i + 4)
        same(copy.copy_of, block.frame)
        same(copy.request.frame, request.frame)
        local told = all:transfers()[1]
        same(told.block_requests, i + 1)
        same(told.block_responses, i + 1)
        same(told.last_frame, copy.frame)
        same(reasons(told), 4 * i + 4 .. "-64 never requested")
    end
    local leap = ask(say, 9, 40, 4)
    same(leap.expected, 16)
    same(leap.flags, tracker.SKIPS)
    same(give(say, 9, 40, "abcd").received, 20)
    same(reasons(all:transfers()[1]), "16-40 answered but not captured, 44-64 never requested")
end

function tests.what_the_header_of_a_hop_says_is_forgotten_when_more_is_learnt()
    local all, say = feeder()
    local function hop(m)
        all:remember_hop("header", m)
        return all.hops.header
    end
    local m = say(OFFER, true)
    same(hop(m), nil) -- no EUI64s are known
    all:eui64_of(0x1234, 0, "ABCDEFGH")
    all:eui64_of(0x1234, 0x2e5e, "abcdefgh")
    same(hop(m) ~= nil, true)
    all:eui64_of(0x1234, 0, "ABCDEFGH")
    same(all.hops.header ~= nil, true)
    all:eui64_of(0x1234, 0, "another1")
    same(all.hops.header, nil)
end

-- The report.

function tests.json_and_table()
    local all, say = feeder()
    say(OFFER, true)
    ask(say, 2, 0, 4)
    give(say, 2, 0, "abcd")
    local text = T.report.json({ tracker = all, hashes = {} })
    same(text:find('"received_bytes": 4', 1, true) ~= nil, true, text)
    same(text:find('"missing_ranges": [[4, 12, "never requested"]]', 1, true) ~= nil, true, text)
    same(T.report.table(all:transfers()):find("10de/0000/02000203", 1, true) ~= nil, true)
end

T.run(tests)
