"""The two wires of a sensor that answers a trigger with a pulse; the wires of a process are pulse_host.py."""

from time import sleep_us

from machine import Pin, time_pulse_us

TRIGGER = 10  # us
MOST = 30000  # us until the pulse begins, and until it ends: 4 m and back take 26,000 in the coldest air


class Pulse:
    """The wires at the pins of these numbers. The echo pin takes 3.3 V: a sensor at 5 V needs a divider."""

    def __init__(self, trigger, echo):
        self._trigger = Pin(trigger, Pin.OUT, value=0)
        self._echo = Pin(echo, Pin.IN)

    async def ping(self):
        """Return the width of the pulse in us; -1: it did not end, -2: none came, -3: high before the trigger.

        Nothing else runs meanwhile, for 60 ms at most: what a task measured would be as wrong as the tasks are long.
        """
        if self._echo.value():
            return -3
        self._trigger.value(1)
        sleep_us(TRIGGER)
        self._trigger.value(0)
        return time_pulse_us(self._echo, 1, MOST)
