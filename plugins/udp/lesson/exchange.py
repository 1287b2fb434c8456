#coding=utf-8
import socket
udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

sendData = input("请输入要传输的信息:")
sendData = bytes(sendData, encoding = "utf-8")

sendAddr = ("192.168.43.161", 8080)
udpSocket.bind(("192.168.2.125", 8000))
udpSocket.sendto(sendData, sendAddr)
recv = udpSocket.recvfrom(1024)
print(recv)
udpSocket.close()
