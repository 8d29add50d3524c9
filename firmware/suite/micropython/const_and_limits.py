# const, single-precision limits, small integers, interned text.
import sys
from micropython import const

WIDTH = const(1 << 10)
_HIDDEN = const(WIDTH * 3)
print(WIDTH, _HIDDEN, sys.maxsize, sys.byteorder)
print(16777216.0 + 1 == 16777216.0, 1.0 + 1e-8 == 1.0, 3e38 * 10, 1e-46, float(2**24 + 1) == 2**24)
print(0.1 + 0.2 == 0.3, "%.7g" % 0.1, 1 / 3 * 3 == 1, "%.9g" % 16777217)
print(sys.implementation.name, sys.implementation[1][:2], sys.platform)
