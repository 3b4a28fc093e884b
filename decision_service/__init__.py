"""秒批 Miaopi: decides applications the moment they are handed in, and can prove it afterwards."""
