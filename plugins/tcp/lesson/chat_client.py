import socket, sys
from threading import Thread

def recv(cli_socket):
	while True:
		data = cli_socket.recv(1024)
		print("\r<ser>: %s" %data.decode("gbk"))
		print("<cli>: ", end="")
		sys.stdout.flush()

def main():
	cli_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
	cli_socket.connect(("192.168.2.125", 8000))
	t = Thread(target=recv, args=(cli_socket,))
	t.start()

	try:
		while True:
			data = input("<cli>: ")
			cli_socket.send(data.encode("gbk"))
	finally:
		cli_socket.close()

if __name__ == "__main__":
	main()
