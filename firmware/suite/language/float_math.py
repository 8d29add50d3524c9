# The math module, to five digits.
import math

for x in (0.1, 0.5, 1.0, 2.0, 5.0):
    values = [f(x) for f in (math.sqrt, math.exp, math.log, math.sin, math.cos, math.tan, math.atan)]
    print(" ".join("%.4f" % v for v in values))
for x in (-2.5, -0.5, 0.5, 2.5):
    print(math.floor(x), math.ceil(x), math.trunc(x), math.fabs(x), math.copysign(3, x))
print("%.4f %.4f %.4f" % (math.pi, math.e, math.atan2(1, -1)))
print(math.fmod(7.5, 2), math.modf(2.25), math.frexp(10.0), math.ldexp(0.625, 4), math.pow(2, 0.5) > 1.41)
print("%.4f %.4f %.4f" % (math.log2(8), math.log10(1000), math.degrees(math.pi)))
for f, x in ((math.sqrt, -1), (math.log, 0), (math.acos, 2)):
    try:
        f(x)
    except ValueError:
        print("ValueError")
