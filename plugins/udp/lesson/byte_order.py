>>> import struct
>>> s = struct.pack("HH",1,2)
>>> print(s)
b'\x01\x00\x02\x00'
>>> s = struct.pack("!HH",1,2)
>>> print(s)
b'\x00\x01\x00\x02'
>>>
# 注：字符串前带!是大端存储，不带是小端存储
