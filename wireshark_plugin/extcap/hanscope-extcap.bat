@echo off
rem Wireshark asks this program which interfaces there are, and has it capture (extcap), on Windows.
set HANSCOPE=hanscope
%HANSCOPE% extcap %*
