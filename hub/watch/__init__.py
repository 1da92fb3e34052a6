"""The log's consumer that watches the network: silent boards, faulty sensors, wrong clocks, a late hub."""
