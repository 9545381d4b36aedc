// One session of pgJDBC, with nothing set but the URL of `local-dsql url --for jdbc`. Prints what it read.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;

public class Session {
  public static void main(String[] arguments) throws Exception {
    try (Connection connection = DriverManager.getConnection(System.getenv("URL"))) {
      connection.setAutoCommit(false);
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO items VALUES (?, ?)")) {
        insert.setInt(1, 1);
        insert.setString(2, "a");
        insert.executeUpdate();
      }
      connection.commit();
      try (ResultSet rows = connection.createStatement().executeQuery("SELECT * FROM items")) {
        while (rows.next()) {
          System.out.println(rows.getInt(1) + " " + rows.getString(2));
        }
      }
      try (ResultSet tables = connection.getMetaData().getTables(null, "public", "items", null)) {
        System.out.println(tables.next() ? tables.getString("TABLE_TYPE") : "missing");
      }
    }
  }
}
