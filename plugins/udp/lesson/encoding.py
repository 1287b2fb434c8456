sendData.encode("utf-8")
string.decode("utf-8")
string.decode("gbk")

recv = udpSocket.recvfrom(1024)
data, addr = recv

#print(data) # 输出为b’string’
print(data.decode("gbk")) # 输出为’string’
