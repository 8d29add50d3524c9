# Joins the network of the founding story with a static address, and says hello to its server.
import network
import socket
import time

SSID = "telenet-7T892F"
PASSWORD = "nofreewififoryou!"
# Address, netmask, gateway, name server.
ADDRESS = ("192.168.0.70", "255.255.255.0", "192.168.0.1", "192.168.0.1")
SERVER = ("192.168.0.4", 8000)


def join():
    station = network.WLAN(network.STA_IF)
    station.active(True)
    station.ifconfig(ADDRESS)
    station.connect(SSID, PASSWORD)
    while not station.isconnected():
        time.sleep_ms(20)
    return station.ifconfig()[0]


def say_hello():
    connection = socket.socket()
    connection.connect(SERVER)
    request = "GET /hello-from-esp HTTP/1.0\r\nHost: {}:{}\r\n\r\n".format(*SERVER)
    connection.write(request)
    status = connection.readline()
    connection.close()
    return status.decode().strip()


print("joined as", join())
print("the server says", say_hello())
