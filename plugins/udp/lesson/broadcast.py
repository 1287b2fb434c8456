# 练习1：发送广播
import socket

def main():
	udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	udpSocket.bind(("", 8000))
	sendAddr = ("<broadcast>", 8080) # <broadcast>为广播地址
	udpSocket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

	for i in range(3):
		udpSocket.sendto("hello".encode("gbk"), sendAddr)

# 练习2：接收广播
def main():
	udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	udpSocket.bind(("", 8080))
	udpSocket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

	while True:
		data, addr = udpSocket.recvfrom(1024)
		print("<%s>: %s" %(addr, data.decode("gbk")))
