# AES with the examples of FIPS-197 and of NIST SP 800-38A.
import cryptolib, binascii

h = binascii.unhexlify
plain = h("00112233445566778899aabbccddeeff")
for key in ("000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"):
    text = cryptolib.aes(h(key), 1).encrypt(plain)
    print(binascii.hexlify(text), cryptolib.aes(h(key), 1).decrypt(text) == plain)
key, iv = h("2b7e151628aed2a6abf7158809cf4f3c"), bytes(range(16))
two = h("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
text = cryptolib.aes(key, 2, iv).encrypt(two)
print(binascii.hexlify(text))
print(cryptolib.aes(key, 2, iv).decrypt(text) == two)
