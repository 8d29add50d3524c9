# Raw flash: size, the image headers, erase to ones, program only clears. The sector is that of
# phy_init, which this build leaves blank; writing to an application would be refused.
import esp

print(esp.flash_size() >= 4 * 1024 * 1024, esp.flash_user_start() == 0x200000)
buf = bytearray(4)
esp.flash_read(0x1000, buf)
print(hex(buf[0]))
esp.flash_read(0x8000, buf)
print(bytes(buf[:2]))
SECTOR = 0xF000 // 4096
esp.flash_erase(SECTOR)
page = bytearray(16)
esp.flash_read(SECTOR * 4096, page)
print(set(page))
esp.flash_write(SECTOR * 4096, b"\xf0\x0f\xff\x00")
esp.flash_write(SECTOR * 4096, b"\x3c\xff\x55\xff")
esp.flash_read(SECTOR * 4096, buf)
print(bytes(buf))
esp.flash_erase(SECTOR)
esp.flash_read(SECTOR * 4096, buf)
print(bytes(buf))
