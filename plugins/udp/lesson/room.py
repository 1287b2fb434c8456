#coding=utf-8

from socket import *

udpSocket = socket(AF_INET, SOCK_DGRAM)
udpSocket.bind(("", 8000)) # 如果写空字符串,默认为自己电脑的ip地址
while True:
	data, addr = udpSocket.recvfrom(1024)
	print("%s:%s" %(data.decode("gbk"), addr))
