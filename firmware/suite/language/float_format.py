# Floats as text, with digits that single precision has.
for x in (0.0, 1.0, -1.5, 3.14159, 1e-5, 123456.0, 25000.5, 0.1):
    print("%.3f|%8.2f|%-8.1f|%e|%g" % (x, x, x, x, x))
    print("{:.2f} {:>10.3f} {:<8.1f}| {:+.1f} {:010.2f}".format(x, x, x, x, x))
print(1.5, -0.5, 100.0, 0.25, 1024.5, float("1e3"), float("-.5"), float(7))
print(round(2.5), round(3.5), round(-2.5), round(2.75, 1), int(-3.9), int(3.9))
print(7 / 2, 7 // 2.0, -7 // 2.0, 7.5 % 2, -7.5 % 2, 2**0.5 * 2**0.5 - 2 < 1e-6)
