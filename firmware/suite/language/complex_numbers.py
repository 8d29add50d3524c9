# Complex numbers.
z, w = 1 + 2j, 3 - 1j
for v in (z + w, z - w, z * w, -z, z * 2, w + 0.5):
    print("%.3f %.3f" % (v.real, v.imag))
q = z / w
print("%.3f %.3f %.3f" % (q.real, q.imag, abs(3 + 4j)))
p = z**2
print("%.3f %.3f" % (p.real, p.imag), z == complex(1, 2), z != w, bool(0j))
