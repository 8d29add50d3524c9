# Many writes make the storage change its pages; the last values stay.
import esp32

n = esp32.NVS("many")
for i in range(250):
    n.set_i32("k%d" % (i % 7), i)
    if i % 50 == 49:
        n.set_blob("b", bytes([i]) * 300)
        n.commit()
buf = bytearray(300)
print([n.get_i32("k%d" % k) for k in range(7)], n.get_blob("b", buf), set(buf))
for k in range(7):
    n.erase_key("k%d" % k)
n.erase_key("b")
n.commit()
