"""Names that break what prints them, and a strategy that finds more."""

from __future__ import annotations

from hypothesis import strategies as st

HOSTILE_NAMES = (
    "x [/w GRU]", "[bold]", "[/]", "[red]a[/red]", "a[", "\\[b]", "c\\", "d\\\\", ":smile:", "\x1b[31mred", "\x1b]0;title\x07",
    "a\rb", "a\nb", "a\tb", "a\x00b", "\u202egnirts", "\u2066x", "\ufeffx", "a\u2028b", "\ud800", "a\u00adb", "\x85", "\x7f",
    "<script>alert(1)</script>", "<b>", "</td></tr>", "<!--", "&amp;", "&#60;", "a&b", "'\"", '" onload="x', "javascript:x",
    "a|b", "|", "`", "``a`", "*", "**a**", "_a_", "__init__", "~~a~~", "[a](http://b)", "![a](b)", "[a][b]", "[a]: b", "# a",
    "- a", "1. a", "> a", "---", "===", "+ a", "\\*", "\\", "<http://a>",
    "\\input{/etc/passwd}", "\\\\", "%", "a%b", "$x$", "$\\frac{", "a_b", "a^b", "{", "}", "#1", "~", "[1pt]", "*x", "->", "--",
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "=cmd|' /C calc'!A0", "'=1", '"', "a,b", ";", "-",
    "{{ 7*7 }}", "{% raw %}", "{0}", "%s", "${x}", "_hidden", "#1b2330", 'id="x"', "url(#x)", 'xmlns="x"', "detectable",
    "日本語", "עברית", "e\u0301", "👩‍🔬", "ﷺ" * 5, "a" * 300,
)  # fmt: skip

hostile_names = st.one_of(
    st.sampled_from(HOSTILE_NAMES),
    st.text(st.sampled_from("[]()<>\\/|*_~`#&;:=+-@'\"{}$%^ \n\t\r\x1b\x00\u202e\ud800ab1"), min_size=1, max_size=12),
    st.text(min_size=1, max_size=20),
)
