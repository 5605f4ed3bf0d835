-- SHA-256 (FIPS 180-4), piece by piece, on every Lua that Wireshark has had.
--
-- Lua 5.3 and later have operators for bits, which older ones cannot even parse: so the rounds stand in texts, and the
-- first that this Lua can compile is used. Lua 5.2 has the library bit32, Wireshark on Lua 5.1 the library bit.

local M = {}

local K = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

local OPERATORS = [[
    local K, byte = ...
    local w = {}
    return function(H, text, at)
        for i = 1, 16 do
            local a, b, c, d = byte(text, at + 4 * i - 4, at + 4 * i - 1)
            w[i] = a << 24 | b << 16 | c << 8 | d
        end
        for i = 17, 64 do
            local x, y = w[i - 15], w[i - 2]
            x = (x >> 7 | x << 25) ~ (x >> 18 | x << 14) ~ (x >> 3)
            y = (y >> 17 | y << 15) ~ (y >> 19 | y << 13) ~ (y >> 10)
            w[i] = w[i - 16] + w[i - 7] + (x & 0xffffffff) + (y & 0xffffffff) & 0xffffffff
        end
        local a, b, c, d, e, f, g, h = H[1], H[2], H[3], H[4], H[5], H[6], H[7], H[8]
        for i = 1, 64 do
            local s = (e >> 6 | e << 26) ~ (e >> 11 | e << 21) ~ (e >> 25 | e << 7)
            local t = h + (s & 0xffffffff) + (g ~ (e & (f ~ g))) + K[i] + w[i]
            s = (a >> 2 | a << 30) ~ (a >> 13 | a << 19) ~ (a >> 22 | a << 10)
            local u = (s & 0xffffffff) + ((a & b) ~ (c & (a ~ b)))
            h, g, f, e, d, c, b, a = g, f, e, d + t & 0xffffffff, c, b, a, t + u & 0xffffffff
        end
        local sums = { a, b, c, d, e, f, g, h }
        for i = 1, 8 do
            H[i] = H[i] + sums[i] & 0xffffffff
        end
    end
]]

-- A rotation by hand is faster than a call of the library; parts that have no bit in common are added.
local LIBRARY = [[
    local K, byte, bits = ...
    local band, bxor = bits.band, bits.bxor
    local ALL, w = 4294967296, {}
    return function(H, text, at)
        for i = 1, 16 do
            local a, b, c, d = byte(text, at + 4 * i - 4, at + 4 * i - 1)
            w[i] = a * 16777216 + b * 65536 + c * 256 + d
        end
        for i = 17, 64 do
            local x, y = w[i - 15], w[i - 2]
            local x3, x7, x18, y10, y17, y19 = x % 8, x % 128, x % 262144, y % 1024, y % 131072, y % 524288
            w[i] = (w[i - 16] + w[i - 7]
                + bxor((x - x7) / 128 + x7 * 33554432, (x - x18) / 262144 + x18 * 16384, (x - x3) / 8)
                + bxor((y - y17) / 131072 + y17 * 32768, (y - y19) / 524288 + y19 * 8192, (y - y10) / 1024)) % ALL
        end
        local a, b, c, d, e, f, g, h = H[1], H[2], H[3], H[4], H[5], H[6], H[7], H[8]
        for i = 1, 64 do
            local x, y, z = e % 64, e % 2048, e % 33554432
            local t = bxor((e - x) / 64 + x * 67108864, (e - y) / 2048 + y * 2097152, (e - z) / 33554432 + z * 128)
            t = t + h + band(e, f) + band(ALL - 1 - e, g) + K[i] + w[i]
            x, y, z = a % 4, a % 8192, a % 4194304
            local u = bxor((a - x) / 4 + x * 1073741824, (a - y) / 8192 + y * 524288, (a - z) / 4194304 + z * 1024)
            u = u + band(a, b) + band(c, bxor(a, b))
            h, g, f, e, d, c, b, a = g, f, e, (d + t) % ALL, c, b, a, (t + u) % ALL
        end
        local sums = { a, b, c, d, e, f, g, h }
        for i = 1, 8 do
            H[i] = (H[i] + sums[i]) % ALL
        end
    end
]]

local compile = rawget(_G, "loadstring") or load
local rounds = compile(OPERATORS)
local bits = rawget(_G, "bit32") or rawget(_G, "bit")
if rounds then
    rounds = rounds(K, string.byte)
elseif bits then
    rounds = compile(LIBRARY)(K, string.byte, bits)
end

M.available = rounds ~= nil

local Hash = {}
Hash.__index = Hash

function M.new()
    return setmetatable({
        state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
        rest = "",
        length = 0,
    }, Hash)
end

-- Take in the next octets.
function Hash:update(text)
    self.length = self.length + #text
    if #self.rest > 0 then
        text = self.rest .. text
    end
    local whole = #text - #text % 64
    local state = self.state
    for at = 1, whole, 64 do
        rounds(state, text, at)
    end
    self.rest = text:sub(whole + 1)
    return self
end

-- The digest as 64 hexadecimal digits; nothing can be taken in afterwards.
function Hash:hex()
    local fill = string.rep("\0", (55 - self.length) % 64)
    local count = self.length * 8
    local tail = {}
    for i = 8, 1, -1 do
        tail[i] = string.char(count % 256)
        count = (count - count % 256) / 256
    end
    self:update("\128" .. fill .. table.concat(tail))
    local words = {}
    for i = 1, 8 do
        words[i] = string.format("%08x", self.state[i])
    end
    return table.concat(words)
end

-- The digest of a text.
function M.hex(text)
    return M.new():update(text):hex()
end

return M
