"""What the city tells the platforms above it, by HJ 212: minutes, hours and days of sites that it has chosen."""
