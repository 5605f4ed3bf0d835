-- What Wireshark gives to its scripts.
std = "min"
max_line_length = 120
read_globals = {
    "base", "bit", "bit32", "Dissector", "DissectorTable", "expert", "Field", "frametype", "gui_enabled", "Listener",
    "MENU_TOOLS_UNSORTED", "NSTime", "new_dialog", "persconffile_path", "Pref", "Proto", "ProtoExpert", "ProtoField",
    "register_menu", "register_postdissector", "set_plugin_info", "TextWindow", "TreeItem", "Tvb", "TvbRange", "__DIR__",
    "loadstring",
}
