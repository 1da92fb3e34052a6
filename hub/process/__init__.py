"""What every process of the hub needs: its time, its log lines, its memory."""
