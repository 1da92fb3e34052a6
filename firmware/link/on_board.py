"""Python that the laptop lets a board run: what `link.py` needs there, sent once for each connection."""

WATCHDOG_MS = 15 * 60 * 1000

# A chip's watchdog can't be stopped, only be given another time: without that, the one that boot.py and the agent have
# set would reset the board within a minute of its agent's being interrupted.
HOLD_WATCHDOG = f"""
if 'WATCHDOG' in globals():
 try:
  from machine import WDT as _w
  _w(timeout={WATCHDOG_MS})
 except ImportError:
  pass
"""

HELPERS = """
import os, sys, hashlib
from binascii import a2b_base64, b2a_base64, hexlify
try:
 from deflate import DeflateIO, RAW
 from io import BytesIO
except ImportError:
 DeflateIO = None
def _digest(p):
 try:
  f = open(p, 'rb')
 except OSError:
  return None
 h = hashlib.sha256()
 b = memoryview(bytearray(512))
 n = f.readinto(b)
 while n:
  h.update(b[:n])
  n = f.readinto(b)
 f.close()
 return hexlify(h.digest()).decode()
def _size(p):
 try:
  s = os.stat(p)
 except OSError:
  return None
 return -1 if s[0] & 0x4000 else s[6]
def _tree(p, skip=()):
 for e in os.ilistdir(p or '/'):
  q = p + '/' + e[0]
  if e[1] & 0x4000:
   if q not in skip:
    print(repr((q, -1)))
    _tree(q, skip)
  else:
   print(repr((q, e[3] if len(e) > 3 else os.stat(q)[6])))
def _folders(p):
 a = ''
 for n in p.strip('/').split('/')[:-1]:
  a += '/' + n
  if _size(a) is None:
   os.mkdir(a)
def _remove(p):
 if _size(p) == -1:
  for e in os.ilistdir(p):
   _remove(p + '/' + e[0])
  os.rmdir(p)
 elif _size(p) is not None:
  os.remove(p)
def _put(s):
 _f.write(DeflateIO(BytesIO(a2b_base64(s)), RAW, 12).read())
"""
