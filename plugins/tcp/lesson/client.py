#coding=utf-8
import socket

def main():
	cli_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM) 
	cli_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	#对于客户端,绑定不绑定地址都可以
	#对于服务器端,一定要绑定地址
	send_addr = ("", 8000)
	cli_socket.connect(send_addr)

	cli_socket.send("我是客户端".encode("gbk"))
	data = cli_socket.recv(1024)
	print("<%s>: %s" %(send_addr, data.decode("gbk")))

	cli_socket.close()

if __name__ == "__main__":
	main()
