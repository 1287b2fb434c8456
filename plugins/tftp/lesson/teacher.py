# 老师的版本
import socket, struct

udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sendData = struct.pack("!H10sb5sb",1,b"rabbit.jpg",0,b"octet",0)
udpSocket.sendto(sendData, ("192.168.2.5", 69))
f = open("rabbit.jpg", "bw")

while True:
	data, addr = udpSocket.recvfrom(1024)
	cmd_tuple = struct.unpack("!HH", data[0:4])
	if cmd_tuple[0] == 3:
		f.write(data[4:])
		print("第%d次下载！" %cmd_tuple[1])
		ack = struct.pack("!HH",cmd_tuple[0]+1,cmd_tuple[1])
		udpSocket.sendto(ack, addr)
		if len(data) < 516:
			print("数据下载完成！")
			break
f.close()
udpSocket.close()
