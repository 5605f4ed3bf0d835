"""What `hanscope wireshark install` installs: the Lua plugin, the extcap launcher, a profile. Data, no code."""
