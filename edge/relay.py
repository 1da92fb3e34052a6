"""Switches the relay for dust suppression by the board's own rule on its own readings, with or without a network.

A rule: `{"quantity": "pm10", "on": 150, "off": 100, "least": 60, "most": 1800}`. On when a record's normal value is
`on` or more; off when it is below `off`, or not to be had, but not before `least` seconds; off in any case after `most`
seconds, and then for `least` seconds at least. An order from the hub goes before the rule until its time is over.
"""


class Relay:
    """`switch(on)` moves the contact; `tell(detail)` is called at each switching with what and why."""

    def __init__(self, switch, ticks_ms, tell):
        self._switch = switch
        self._ticks_ms = ticks_ms
        self._tell = tell
        self._since = None  # ticks of the last switching
        self._until = None  # ticks until which an order holds
        self.rule = None
        self.on = False
        switch(False)  # a restart of the interpreter alone leaves the pin as it was

    def order(self, on, seconds):
        """Switch by order, and keep the rule from switching for so long."""
        self._until = self._ticks_ms() + seconds * 1000
        self._set(on, "ordered for %d s" % seconds)

    def judge(self, values, flags):
        """Apply the rule to a record's values; flagged values do not count."""
        now = self._ticks_ms()
        if self._until is not None:
            if now < self._until:
                return
            self._until = None
            if self.rule is None:
                self._set(False, "the order is over")
        if self.rule is None:
            self._set(False, "there is no rule")
            return
        quantity = self.rule["quantity"]
        value = None if quantity in flags else values.get(quantity)
        least = self.rule.get("least", 60) * 1000
        age = least if self._since is None else now - self._since
        if not self.on:
            if value is not None and value >= self.rule["on"] and age >= least:
                self._set(True, "%s %g, on at %g" % (quantity, value, self.rule["on"]))
        elif age >= self.rule.get("most", 1800) * 1000:
            self._set(False, "on for %d s" % (age // 1000))
        elif age >= least and value is None:
            self._set(False, "no normal value of %s" % quantity)
        elif age >= least and value < self.rule["off"]:
            self._set(False, "%s %g, off below %g" % (quantity, value, self.rule["off"]))

    def _set(self, on, why):
        if on != self.on:
            self.on = on
            self._since = self._ticks_ms()
            self._switch(on)
            self._tell({"on": on, "why": why})
