# 自己的版本
import socket, struct

udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
new = open("rabbit-2.jpg", "bw")

#python3用法
sendData = struct.pack("!H10sb5sb", 1, b"rabbit.jpg", 0, b"octet", 0)

udpSocket.sendto(sendData, ("192.168.2.155", 69))

while True:
	data, addr = udpSocket.recvfrom(1024)
	ip, port = addr
	if data[1] == 3:
		ack = struct.pack("!H2b",4,data[2],data[3])
		udpSocket.sendto(ack, ("192.168.2.155", port))
		if len(data) < 516:
			print("数据下载完成!")
			break
		else:
			new.write(data[4:])

new.close()
udpSocket.close()
