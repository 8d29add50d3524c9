# Non-volatile storage: integers, blobs, missing keys, erasing, namespaces.
import esp32

n, other = esp32.NVS("suite"), esp32.NVS("suite2")
for v in (0, -1, 2147483647, -2147483647):
    n.set_i32("number", v)
    print(n.get_i32("number"))
n.set_blob("blob", bytes(range(10)))
buf = bytearray(12)
print(n.get_blob("blob", buf), bytes(buf))
n.commit()
print(esp32.NVS("suite").get_i32("number"))
n.erase_key("number")
n.erase_key("blob")
n.commit()
for f in (lambda: n.get_i32("number"), lambda: other.get_i32("number"), lambda: n.get_blob("blob", buf), lambda: n.erase_key("x")):
    try:
        f()
    except OSError as e:
        print(e.args[0] == -0x1102)
