# unique_id is the factory MAC address in the eFuse: EFUSE_BLK0_RDATA1 and 2.
import machine, network

uid = machine.unique_id()
low, high = machine.mem32[0x3FF5A004], machine.mem32[0x3FF5A008]
words = bytes([high >> 8 & 255, high & 255, low >> 24 & 255, low >> 16 & 255, low >> 8 & 255, low & 255])
print(len(uid), uid == words, uid != bytes(6), uid[0] & 1)
