import socket, time

udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sendData = "1.0:100:李白:192.168.2.155:32:你好"
#飞秋版本号:发送包的序列号:发送人的登录名:发送人的IP地址:命令号（32代表发送数据）:发送的内容
udpSocket.sendto(sendData.encode("gbk"), ("192.168.2.155", 2425))
udpSocket.close()
