# The partitions of the official 4 MiB image, and reading the running one.
from esp32 import Partition

p = Partition(Partition.RUNNING)
print(p.info())
for type in (Partition.TYPE_APP, Partition.TYPE_DATA):
    for q in Partition.find(type):
        print(q.info())
print(p.ioctl(4, 0), p.ioctl(5, 0), Partition.find(label="none"))
buf = bytearray(8)
p.readblocks(0, buf, 0)
print(hex(buf[0]), p.readblocks(0, bytearray(4096)))
