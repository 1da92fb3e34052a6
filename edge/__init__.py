"""The agent on the board: reads sensors, keeps every record in flash until the hub has it, speaks MQTT.

The same code runs on MicroPython (boards, and its unix port in tests) and on CPython. What differs between them is
settled in board_esp32.py and board_host.py, or by a `try: import` at the top of a module.
"""

try:
    from gc import mem_alloc, mem_free, threshold

    # Else MicroPython uses up the whole heap before it collects, and what lives long lies scattered: of 38 KB free on a
    # heap of 112 KB the largest piece was 6 KB; so it is 36 KB. A larger heap takes longer to collect.
    threshold(max(8192, (mem_free() + mem_alloc()) // 16))
except ImportError:
    pass  # CPython

VERSION = "0.1.0"
