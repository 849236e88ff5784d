"""The mazes of the gallery, in Clew's own text format; see `clew.mazes.formats.own`."""

ROOMS = """\
.....#.....
.....#.....
...........
.....#.....
.....#.....
#.####.....
.....###.##
.....#.....
.....#.....
......G....
.....#.....
"""
TRAP = """\
S...G
.###.
.###.
.###.
.....
"""
FIELD = """\
S...........
.!!!.!!.!!!.
....!....!..
.!!...!!...!
...!.!...!..
!!...!.!...G
"""
RUSSELL = """\
...A
.#.B
S...

A exit 1
B exit -1
"""
BRIDGE = """\
#AAAAA#
BS....C
#AAAAA#

A exit -100
B exit 1
C exit 10
"""
CLIFF = """\
.....
S...A
BBBBB

A exit 10
B exit -100
"""
DISCOUNT = """\
.....
.#...
.#A#B
S....
CCCCC

A exit 1
B exit 10
C exit -10
"""
