# Unicode text: code points, slices, encoding, escapes.
s = "häé€😀z"
print(len(s), len(s.encode()), s.encode("utf-8"), [hex(ord(c)) for c in s])
print(s[1], s[-1], s[2:5], "".join(reversed(s)), s.find("€"), s.index("z"))
print(chr(0x20AC), chr(65), "\u20ac" == "€", "\x41", "\U0001f600" == s[4], "é" in s, "é" < "€")
print(b"h\xc3\xa4".decode("utf-8"), str(b"abc", "utf-8"), bytes("€", "utf-8"))
for i, c in enumerate("aé€"):
    print(i, c, len(c.encode()))
try:
    b"\xff\xfe".decode("utf-8")
except UnicodeError:
    print("UnicodeError")
