import socket

def main():
	ser_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM) 
	#这个套接字相当于总服务台，用于连接

	ser_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	ser_socket.bind(("", 8000))
	ser_socket.listen(5)
	
	new_socket, new_addr = ser_socket.accept()
	#相当于客服
	#元组:一个新的socket,主要用于与客户端收/发数据
	
	data = new_socket.recv(1024)
	print("<%s>: %s" %(new_addr, data.decode("gbk")))
	new_socket.send("你好".encode("gbk"))

	new_socket.close()
	ser_socket.close()

if __name__ == "__main__":
	main()
