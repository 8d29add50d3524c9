# File systems on a block device in RAM: littlefs and FAT, mounted and unmounted.
import os, vfs


class Disk:
    def __init__(self, size, count):
        self.size, self.data = size, bytearray(size * count)

    def readblocks(self, n, buf, off=0):
        at = n * self.size + off
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, n, buf, off=None):
        if off is None:
            off = 0
        at = n * self.size + off
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // self.size
        if op == 5:
            return self.size
        if op == 6:
            return 0


for kind, disk in ((vfs.VfsLfs2, Disk(512, 40)), (vfs.VfsFat, Disk(512, 60))):
    kind.mkfs(disk)
    vfs.mount(kind(disk), "/ram")
    with open("/ram/hello.txt", "w") as f:
        f.write("on a disk of RAM")
    os.mkdir("/ram/sub")
    print(kind.__name__, sorted(os.listdir("/ram")), open("/ram/hello.txt").read())
    vfs.umount("/ram")
    print("ram" in os.listdir("/"))
    vfs.mount(kind(disk), "/ram", readonly=True)
    print(open("/ram/hello.txt").read()[-3:])
    try:
        open("/ram/new", "w")
    except OSError as e:
        print(e.errno)
    vfs.umount("/ram")
