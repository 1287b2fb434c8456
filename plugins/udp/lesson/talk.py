from threading import Thread
from socket import *
import sys

#根据数据类型初始化,如果是对象,用None
udpSocket = 0
destIP = ""
destPort = 0

def send_infos():
	global udpSocket
	while True:
		sendData = input("<< ")
		udpSocket.sendto(sendData.encode("gbk"), (destIP, destPort))

def recv_infos():
	global udpSocket
	while True:
		data, addr = udpSocket.recvfrom(1024)
		print("\r>> %s:%s" %(addr, data.decode("gbk")))

def main():
	global udpSocket
	global destIP
	global destPort

	udpSocket = socket(AF_INET, SOCK_DGRAM)
	udpSocket.bind(("", 8000))

	destIP = input("对方的IP: ")
	destPort = int(input("对方的Port: "))

	ts = Thread(target = send_infos)
	tr = Thread(target = recv_infos)
	ts.start()
	tr.start()
	ts.join()
	tr.join()
	udpSocket.close()

if __name__ == "__main__":
	main()
