"""Logs in where the PG variables of the environment say, and prints who it is or why it is nobody."""
import sys

if sys.argv[1] == "psycopg2":
    import psycopg2 as driver
else:
    import psycopg as driver

try:
    connection = driver.connect("")
    cursor = connection.cursor()
    cursor.execute("SELECT session_user")
    print(cursor.fetchone()[0])
except driver.OperationalError as e:
    print("28P01" if "password authentication failed" in str(e) else e)
