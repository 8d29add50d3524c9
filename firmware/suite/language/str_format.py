# Formatting: percent, format and f-strings.
print("%d %5d|%-5d|%05d %x %X %o %c %s %r %%" % (42, 42, 42, 42, 255, 255, 8, "A", "s", "r"))
print("%s %s" % ("tuple", (1, 2)), "%10s|%-10s|%.2s" % ("right", "left", "cut"))
print("{} {} {0}".replace("{0}", "x").format(1, 2), "{1} {0} {1}".format("a", "b"))
print("{a}-{b}".format(a=1, b="two"), "{:>6}|{:<6}|{:^6}|{:*^7}".format("r", "l", "c", "m"))
print("{:d} {:x} {:#x} {:b} {:08b} {:o} {:,}".format(255, 255, 255, 5, 5, 8, 1234567))
print("{!r} {!s} {{}} {:5}|{:<5}|".format("q", "s", 7, 7))
n, name, width = 3, "esp", 8
print(f"{n} {n+1} {name!r} {name:>{width}}| {n:03d} {'x' * n} {{}}")
print(f"{[i * i for i in range(n)]} {n == 3} {name[1:]}")
try:
    "{} {}".format(1)
except (IndexError, TypeError):
    print("too few")
