import socket, sys
from threading import Thread

ser_socket = 0
new_socket = 0
new_addr = ("",0)

def send():
	global new_socket
	while True:
		sendData = input("<< ")
		new_socket.send(sendData.encode("gbk"))

def recv():
	global new_socket
	while True:
		data = new_socket.recv(1024)
		if len(data) > 0:
			print("\r>> cli: %s" %data.decode("gbk"))
			print("<< ",end = "")
			sys.stdout.flush()
		else:
			print("客户端已退出")
			break
	new_socket.close()

def main():
	global ser_socket
	global new_socket
	global new_addr

	ser_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM) 
	#这个套接字相当于总服务台

	ser_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	ser_socket.bind(("", 8009))
	ser_socket.listen(5)
	
	new_socket, new_addr = ser_socket.accept()
	#相当于客服
	#元组:一个新的socket,主要用于和客户端收/发数据
	new_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	
	ts = Thread(target = send)
	tr = Thread(target = recv)
	ts.start()
	tr.start()
	ts.join()
	tr.join()
	
	new_socket.close()
	ser_socket.close()

if __name__ == "__main__":
	main()
