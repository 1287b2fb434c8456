#coding=utf-8
import socket

udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

udpSocket.bind(("192.168.2.125", 8000))

while True:
	recv = udpSocket.recvfrom(1024)
	print(recv)

udpSocket.close()
