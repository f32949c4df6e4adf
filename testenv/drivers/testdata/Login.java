import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Properties;

/** Logs in where the PG variables of the environment say, and prints who it is or why it is nobody. */
public class Login {
    public static void main(String[] args) {
        Properties p = new Properties();
        p.setProperty("user", System.getenv("PGUSER"));
        p.setProperty("password", System.getenv("PGPASSWORD"));
        p.setProperty("sslmode", System.getenv("PGSSLMODE"));
        p.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        String url = "jdbc:postgresql://localhost:" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        try (Connection c = DriverManager.getConnection(url, p); ResultSet r = c.createStatement().executeQuery("SELECT session_user")) {
            r.next();
            System.out.println(r.getString(1));
        } catch (SQLException e) {
            System.out.println(e.getSQLState());
        }
    }
}
