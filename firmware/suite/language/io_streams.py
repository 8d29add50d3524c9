# Text and byte streams in memory.
import io

s = io.StringIO("line one\nline two\nrest")
print(s.readline(), s.read(4), s.read(), s.read() == "", s.tell() if False else "")
s = io.StringIO()
print("to a stream", 1, file=s)
s.write("more")
print(s.getvalue().split("\n"))
s.seek(0)
print([line for line in s])
b = io.BytesIO(b"0123456789")
print(b.read(3), b.seek(1, 1), b.read(2), b.seek(-2, 2), b.read(), b.seek(0), b.readline())
b = io.BytesIO()
print(b.write(b"abc"), b.write(bytearray(2)), b.getvalue())
buf = bytearray(4)
print(io.BytesIO(b"xyz").readinto(buf), bytes(buf))
with io.StringIO("ctx") as f:
    print(f.read())
