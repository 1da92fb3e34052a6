"""The agent on the board: reads sensors, keeps every record in flash until the hub has it, speaks MQTT.

The same code runs on MicroPython (boards, and its unix port in tests) and on CPython. What differs between them is
settled in board_esp32.py and board_host.py, or by a `try: import` at the top of a module.
"""

VERSION = "0.1.0"
