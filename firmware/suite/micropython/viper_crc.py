# The CRC-32 of a kilobyte in viper, interpreted, and from the library agree.
import micropython, binascii


@micropython.viper
def crc_viper(data: ptr8, n: int) -> uint:
    crc = uint(0) - 1
    for i in range(n):
        crc ^= data[i]
        for _ in range(8):
            if crc & 1:
                crc = (crc >> 1) ^ -306674912  # 0xedb88320 as a small integer
            else:
                crc >>= 1
    return crc ^ -1


def crc_python(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


data = bytes((i * 7 + (i >> 3)) & 255 for i in range(1024))
want = binascii.crc32(data)
print(crc_viper(data, len(data)) == want, crc_python(data) == want)
print(hex(crc_viper(b"123456789", 9)), hex(crc_python(b"123456789")))
